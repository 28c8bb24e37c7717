"""A flow served in flight by a real Triton, asked over a gRPC stream by a client that litho did not write."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.runners import open_runner
from litho.serving.server.embedded import EmbeddedServer

from ..conftest import assert_same_pictures
from .conftest import Stream, inputs


def test_pictures_in_flight_are_those_of_whole_requests(
    in_flight_server: EmbeddedServer, flow_bundle: Path
) -> None:
    count = 40
    asked = {str(number): inputs(1 + number % 3, 10 * number) for number in range(count)}
    with Stream(in_flight_server) as stream:
        for name, fields in asked.items():
            stream.ask(fields, name)
        found: dict[str, dict[int, np.ndarray]] = {name: {} for name in asked}
        for _ in range(sum(len(fields["seed"]) for fields in asked.values())):
            name, image, row, step, last = stream.take()
            assert row not in found[name]
            assert step == asked[name]["steps"][row]
            found[name][row] = image
            assert last == (len(found[name]) == len(asked[name]["seed"]))
    with open_runner(flow_bundle) as local:
        for name, fields in asked.items():
            pictures = np.concatenate([found[name][row] for row in sorted(found[name])])
            assert_same_pictures(pictures, local.run(fields)["image"])


def test_previews_come_before_the_picture(in_flight_server: EmbeddedServer) -> None:
    with Stream(in_flight_server) as stream:
        stream.ask({**inputs(1), "steps": np.array([8])}, parameters={"preview_every": 3})
        answers = [stream.take() for _ in range(3)]
    assert [step for _, _, _, step, _ in answers] == [3, 6, 8]
    assert [last for *_, last in answers] == [False, False, True]
    assert (answers[0][1] != answers[2][1]).any()


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"steps": np.array([0])}, {}, "field 'steps' was given value 0"),
        ({}, {"parameters": {"preview_every": "two"}}, "parameter 'preview_every' was given 'two'"),
        (
            {"seed": np.arange(60), "prompt": np.full(60, b"a", object), "steps": np.full(60, 64)}
            | {"guidance": np.ones(60, np.float32)},
            {"parameters": {"deadline_ms": 1}},
            "deadline exceeded: not all pictures were made",
        ),
        ({"steps": np.array([64])}, {"parameters": {"preview_every": -1}}, "preview_every was given -1"),
    ],
)
def test_a_bad_request_gets_its_own_error_among_good_ones(
    changes: dict[str, Any], options: dict[str, Any], words: str, in_flight_server: EmbeddedServer
) -> None:
    with Stream(in_flight_server) as stream:
        stream.ask({**inputs(1), **changes}, "bad", **options)
        assert words in stream.refusal()
        stream.ask(inputs(1), "good")
        assert stream.take()[0] == "good"


def test_rows_of_a_client_that_is_gone_make_room(in_flight_server: EmbeddedServer) -> None:
    with Stream(in_flight_server) as stream:
        for number in range(8):
            stream.ask({**inputs(8), "steps": np.full(8, 64)}, str(number))
        stream.take()
    with Stream(in_flight_server) as stream:
        stream.ask(inputs(1))
        stream.take()
