from pathlib import Path

import pytest

from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.serving.server.events import Event
from litho.serving.server.status import Status
from litho.serving.server.upkeep import Upkeep, canary_inputs
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field


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
