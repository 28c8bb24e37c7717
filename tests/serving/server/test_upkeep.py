import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.serving.server.events import Event
from litho.serving.server.processes import stubs_of
from litho.serving.server.status import Status
from litho.serving.server.upkeep import Upkeep, canary_inputs
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

from ...conftest import wait_until

SILENT_MODEL = """
import pathlib, time
class TritonPythonModel:
    def initialize(self, args):
        while (pathlib.Path(args["model_repository"]) / "silent").exists():
            time.sleep(1)
"""
SILENT_CONFIG = """
name: "silent"
backend: "python"
max_batch_size: 1
input [{ name: "seed", data_type: TYPE_INT64, dims: [1] }]
output [{ name: "image", data_type: TYPE_UINT8, dims: [1] }]
"""


def test_a_canary_asks_for_one_picture_and_never_for_the_same() -> None:
    signature = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(8, 8, 1))
    first, second = canary_inputs(signature, 1), canary_inputs(signature, 2)
    signature.check(first)
    assert first["seed"].shape == (1,)
    assert first["seed"] != second["seed"]
    assert canary_inputs(signature, 1)["seed"] == first["seed"]


class Asked(EmbeddedServer):
    """A server that counts how often somebody wants to know where to send requests."""

    times = 0

    @property
    def grpc_url(self) -> str:
        self.times += 1
        return super().grpc_url


@pytest.mark.slow
def test_a_model_that_was_unloaded_on_purpose_is_no_alarm(repository: Path) -> None:
    """A rollout unloads its candidate before it removes it, and a request to it may be under way."""
    install()
    events: list[Event] = []
    with Asked(repository) as server, server.control() as control:
        upkeep = Upkeep(
            server, repository, Status(), events.append, canary_seconds=0.001, deadline_seconds=600
        )
        control.unload("tiny")
        before = server.times
        # A model is asked again when its answer was looked at.
        while server.times < before + 2:
            upkeep.tick()
        upkeep.close()
    assert [event.event for event in events] == []


@dataclass
class Tended:
    """A running server of one model, which opens for ever while its file "silent" is there, and its upkeep."""

    server: EmbeddedServer
    model: Path
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        repository = self.model.parent
        self.upkeep = Upkeep(
            self.server, repository, Status(), self.events.append, canary_seconds=0, load_idle_seconds=1.5
        )
        self.upkeep.tick()

    def stub(self) -> int:
        """Process id of the only instance that lives."""
        (alive,) = (one.pid for one in stubs_of(self.server.process_id) if one.state != "Z")
        return alive

    def wait_for(self, event: str) -> Event:
        while not (told := [one for one in self.events if one.event == event]):
            self.upkeep.tick()
            time.sleep(0.02)
        return told[0]


@pytest.fixture
def tended(tmp_path: Path) -> Iterator[Tended]:
    model = tmp_path / "repository" / "silent"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(SILENT_MODEL)
    (model / "config.pbtxt").write_text(SILENT_CONFIG)
    install()
    with EmbeddedServer(model.parent, log=tmp_path / "log") as server:
        made = Tended(server, model)
        yield made
        made.upkeep.close()


@pytest.mark.slow
def test_a_load_that_would_never_end_is_ended_and_tried_again(tended: Tended) -> None:
    """So hangs the load during which a machine stood still: its new process waits for Triton, which waits for it."""
    (tended.model / "silent").touch()
    os.kill(tended.stub(), signal.SIGKILL)
    assert tended.wait_for("instance-hung").cause == "it did nothing for 2 s while its model was loaded"
    (tended.model / "silent").unlink()
    assert tended.wait_for("reload-failed").model == "silent"
    assert tended.wait_for("model-reloaded").model == "silent"


@pytest.mark.slow
def test_a_server_that_does_not_end_a_load_without_processes_is_killed(tended: Tended) -> None:
    (tended.model / "silent").touch()
    os.kill(tended.stub(), signal.SIGKILL)
    tended.wait_for("instance-died")
    wait_until(lambda: any(one.state != "Z" for one in stubs_of(tended.server.process_id)))
    os.kill(tended.server.process_id, signal.SIGSTOP)
    tended.wait_for("instance-hung")  # and was ended, but a stopped server does not notice
    assert tended.wait_for("server-stuck").cause == "no new instance is left"
    wait_until(lambda: not tended.server.is_alive())
