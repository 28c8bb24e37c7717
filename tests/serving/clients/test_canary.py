"""Which of two versions answers a request."""

import numpy as np
import pytest

from litho.errors import EndpointUnavailable
from litho.serving.clients.canary import Canary, position_of
from litho.serving.clients.client import Client, Options
from litho.serving.server.embedded import EmbeddedServer


def test_requests_lie_evenly_and_each_always_at_the_same_place() -> None:
    places = [position_of({"seed": np.array([seed]), "label": np.array([3])}) for seed in range(2000)]
    again = [position_of({"label": np.array([3]), "seed": np.array([seed])}) for seed in range(2000)]
    assert places == again
    counts, _ = np.histogram(places, bins=10, range=(0, 1))
    assert counts.min() > 150
    assert len(set(places)) == 2000


def test_a_text_has_a_place_that_does_not_depend_on_where_it_lies_in_memory() -> None:
    texts = [np.array(["a red " + "".join(["cir", "cle"])], object) for _ in range(2)]
    assert position_of({"prompt": texts[0]}) == position_of({"prompt": texts[1]})
    assert position_of({"prompt": texts[0]}) != position_of({"prompt": np.array(["a red square"], object)})


@pytest.fixture
def client(streaming_server: EmbeddedServer):
    """Of a model with a candidate for half of the requests, which it has found."""
    with Client(f"{streaming_server.grpc_url}/both") as opened:
        assert opened._canary is not None
        while opened._canary._share != 0.5:
            opened.generate(seed=1)
        yield opened


def test_the_candidate_gets_its_share_and_the_same_request_the_same_version(client: Client) -> None:
    inputs = [{"seed": np.array([seed]), "steps": np.array([4])} for seed in range(200)]
    chosen = [client.runner_for(one).url for one in inputs]
    assert chosen == [client.runner_for(one).url for one in inputs]
    assert 70 < sum(url.endswith("/both-canary") for url in chosen) < 130
    assert {url.rpartition("/")[2] for url in chosen} == {"both", "both-canary"}
    # Whichever answers gives the whole picture: here the candidate streams and the live model does not.
    assert [int(client.run(one)["image"][0, 0, 0, 0]) for one in inputs[:20]] == list(range(4, 24))


def test_a_failed_candidate_costs_no_request(client: Client) -> None:
    canary = client._canary
    assert canary is not None
    runner = canary._runner
    assert runner is not None
    inputs = next(
        one
        for one in ({"seed": np.array([seed]), "steps": np.array([4])} for seed in range(100))
        if client.runner_for(one) is runner
    )
    runner._model = "gone-canary"  # as after an aborted rollout
    assert int(client.run(inputs)["image"][0, 0, 0, 0]) == int(inputs["seed"][0]) + 4
    assert client.runner_for(inputs) is not runner
    wait = client.wait_after(EndpointUnavailable("away"), runner, client.attempts(Options()))
    assert wait == 0


def test_a_version_that_is_asked_for_has_no_candidate(streaming_server: EmbeddedServer) -> None:
    with Client(f"{streaming_server.grpc_url}/both/1") as client:
        assert client._canary is None
        client.generate(seed=1)


def test_no_candidate_is_looked_for_more_often_than_every_few_seconds() -> None:
    looked: list[str] = []
    now = 0.0

    class Live:
        def look_for(self, model: str, found: object) -> None:
            looked.append(model)

    live = Live()
    canary = Canary(live, "tiny", clock=lambda: now)  # pyright: ignore[reportArgumentType]
    for now in (0.0, 1.0, 4.9, 5.0, 6.0):  # noqa: B007 - the clock reads it
        assert canary.runner_for({"seed": np.array([1])}) is live
    assert looked == ["tiny-canary", "tiny-canary"]
