"""Versions come and go on a running server that is asked for pictures all the while."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from litho.bundle import Bundle, sign_bundle
from litho.errors import DeployError, LithoError
from litho.runners import open_runner
from litho.serving.configuration.settings import ServingSettings
from litho.serving.control.server_control import ServerControl
from litho.serving.repository.canary import canary_of
from litho.serving.repository.deploy import deploy
from litho.serving.repository.operations import abort, promote, rollback, undeploy
from litho.serving.repository.rollout import live_version, needed_versions
from litho.serving.repository.versions import current, versions
from litho.serving.server.embedded import EmbeddedServer

from ...attack.forge import forge, other_graph
from ...signers import make_keys
from ..conftest import Make
from ..killed import Killed

pytestmark = pytest.mark.slow

ONE = ServingSettings(instance_count=1)


@pytest.fixture
def control(live_server: EmbeddedServer) -> Iterator[ServerControl]:
    with ServerControl(live_server.grpc_url) as connected:
        yield connected


@pytest.fixture
def model(live_repository: Path, control: ServerControl) -> Iterator[Path]:
    """The model "tiny", which is at version 1 again afterwards."""
    path = live_repository / "tiny"
    yield path
    for version in versions(path)[1:]:
        shutil.rmtree(path / str(version))
    assert current(path) is not None
    assert control.live_versions("tiny") == [1]


@contextmanager
def asked_all_the_while(server: EmbeddedServer) -> Iterator[Counter[str]]:
    """Four clients ask for pictures while the block runs; gives what became of their requests."""
    outcomes: Counter[str] = Counter()
    ended = threading.Event()

    def ask(number: int) -> None:
        with open_runner(f"{server.grpc_url}/tiny") as runner:
            while not ended.is_set():
                try:
                    runner.run({"seed": [number], "label": [number]})
                    outcomes["answered"] += 1
                except LithoError as error:
                    outcomes[str(error)] += 1

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    try:
        yield outcomes
    finally:
        ended.set()
        for client in clients:
            client.join()


def graph_that_cannot_run(bundle: Path) -> dict[str, bytes]:
    """The first graph, which loads and then refuses every batch: path -> content."""
    loaded = Bundle.load(bundle)
    file = loaded.manifest.variants[0].file
    model = onnx.load_from_string(loaded.read(file))
    (output,) = model.graph.output
    (last,) = [node for node in model.graph.node if output.name in node.output]
    last.output[:] = [name if name != output.name else "whole" for name in last.output]
    shape = numpy_helper.from_array(np.array([7, 3, 3, 1], np.int64), "impossible")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("Reshape", ["whole", "impossible"], [output.name]))
    del model.graph.value_info[:]
    return {file: model.SerializeToString()}


def graph_that_cannot_load(bundle: Path) -> dict[str, bytes]:
    """No graph: path -> content."""
    return {Bundle.load(bundle).manifest.variants[0].file: b"not a graph"}


def nothing_is_left(model: Path, control: ServerControl) -> None:
    assert canary_of(model) is None
    assert {path.name for path in model.parent.iterdir()} <= {"tiny", ".tiny.lock"}
    assert not [one for one in control.index() if one.model == "tiny-canary" and one.held]
    assert control.ready(), "a failed load would keep the server from being ready"


def test_a_version_and_its_return_reach_a_server_that_is_under_load(
    model: Path, live_server: EmbeddedServer, control: ServerControl, variant_of: Make
) -> None:
    url = live_server.grpc_url
    with asked_all_the_while(live_server) as outcomes:
        new = deploy(variant_of("second"), to=model.parent, name="tiny", settings=ONE, server=url)
        assert (new.version, new.server) == (2, url)
        assert control.live_versions("tiny") == [2]
        nothing_is_left(model, control)
        assert needed_versions(model, control, None) == {2}
        back = rollback(model.parent, "tiny", server=url)
        assert (back.version, back.server) == (1, url)
        assert control.live_versions("tiny") == [1]
    assert set(outcomes) == {"answered"}, outcomes
    nothing_is_left(model, control)
    assert versions(model) == [1, 2]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (graph_that_cannot_load, "could not load tiny-canary"),
        (graph_that_cannot_run, "its warm-up failed at batch 1"),
        (other_graph, "its pictures are not those of its probes"),
    ],
)
def test_a_signed_candidate_that_fails_on_the_server_leaves_nothing(
    spoil: Any,
    reason: str,
    model: Path,
    live_server: EmbeddedServer,
    control: ServerControl,
    bundle: Path,
    tmp_path: Path,
) -> None:
    private, public = make_keys(tmp_path / "keys")
    spoiled = forge(bundle, tmp_path / "spoiled", spoil(bundle))
    sign_bundle(spoiled, key=private)  # so that it is taken at its word until the server has it
    with asked_all_the_while(live_server) as outcomes, pytest.raises(DeployError, match=reason) as refused:
        deploy(
            spoiled,
            to=model.parent,
            name="tiny",
            settings=ONE,
            require_signature=public,
            server=live_server.grpc_url,
        )
    assert str(refused.value).startswith("version 2 of tiny is not served: ")
    assert str(refused.value).endswith(f"; version 1 is live at {live_server.grpc_url}")
    assert "\n" not in str(refused.value)
    assert set(outcomes) == {"answered"}, outcomes
    assert versions(model) == [1]
    nothing_is_left(model, control)


def test_a_canary_runs_beside_its_model_until_it_is_aborted_or_promoted(
    model: Path, live_server: EmbeddedServer, control: ServerControl, variant_of: Make
) -> None:
    url, second = live_server.grpc_url, variant_of("second")

    def start() -> None:
        trial = deploy(second, to=model.parent, name="tiny", settings=ONE, server=url, canary=0.25)
        assert (trial.version, trial.canary) == (2, 0.25)

    start()
    assert control.live_versions("tiny") == [1]
    assert control.live_versions("tiny-canary") == [2]
    parameters = control.model_config("tiny-canary").parameters
    assert parameters["litho_canary_share"].string_value == "0.25"
    assert abort(model.parent, "tiny", server=url).version == 1
    nothing_is_left(model, control)
    start()
    with asked_all_the_while(live_server) as outcomes:
        assert promote(model.parent, "tiny", server=url).version == 2
    assert set(outcomes) == {"answered"}, outcomes
    assert live_version(model, control) == 2
    nothing_is_left(model, control)
    rollback(model.parent, "tiny", server=url)


def test_after_a_kill_between_disk_and_server_the_same_command_goes_on(
    model: Path,
    live_server: EmbeddedServer,
    control: ServerControl,
    variant_of: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = ServerControl.load

    def killed_before_the_model_is_loaded(self: ServerControl, name: str, *rest: Any, **options: Any) -> None:
        if name == "tiny":
            raise Killed
        load(self, name, *rest, **options)

    second = variant_of("second")
    with monkeypatch.context() as patched:
        patched.setattr(ServerControl, "load", killed_before_the_model_is_loaded)
        for cleaning in ("_switch_back", "abort", "_forget_failure_of_served"):
            patched.setattr(f"litho.serving.repository.rollout.{cleaning}", lambda *arguments: None)
        with pytest.raises(Killed):
            deploy(second, to=model.parent, name="tiny", settings=ONE, server=live_server.grpc_url)
    assert control.live_versions("tiny") == [1]
    served = current(model)
    assert served is not None
    assert served.version == 2, "the disk is ahead of the server"
    again = deploy(second, to=model.parent, name="tiny", settings=ONE, server=live_server.grpc_url)
    assert again.version == 2
    assert control.live_versions("tiny") == [2]
    nothing_is_left(model, control)
    rollback(model.parent, "tiny", server=live_server.grpc_url)


def test_a_first_version_and_the_removal_of_a_model_reach_the_server(
    model: Path, live_server: EmbeddedServer, control: ServerControl, variant_of: Make
) -> None:
    url = live_server.grpc_url
    assert deploy(variant_of("other"), to=model.parent, settings=ONE, server=url).server == url
    assert control.live_versions("other") == [1]
    assert undeploy(model.parent, "other", server=url) == url
    assert not [one for one in control.index() if one.model == "other"]
    nothing_is_left(model, control)


def test_a_server_of_another_repository_is_not_told(
    live_server: EmbeddedServer, variant_of: Make, tmp_path: Path
) -> None:
    with pytest.raises(DeployError, match=r"could not load tiny-canary: .*") as refused:
        deploy(variant_of("second"), to=tmp_path / "models", name="tiny", server=live_server.grpc_url)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "models").exists()
