"""When a failed request is sent again, and what of a stream."""

import numpy as np
import pytest

from litho.errors import (
    DeadlineExceeded,
    EndpointBusy,
    EndpointError,
    EndpointUnavailable,
    InvalidInput,
    UsageError,
)
from litho.runners.triton import StreamedPicture
from litho.serving.clients.retries import NO_RETRIES, Attempts, Retries, Unfinished

from ...streaming import SIGNATURE

AWAY, BUSY = EndpointUnavailable("it is away"), EndpointBusy("it is busy")


def test_waits_double_up_to_a_limit_and_are_not_the_same_for_every_client() -> None:
    retries = Retries(first_seconds=0.1, most_seconds=1.0)
    for tried, longest in ((1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.0), (5000, 1.0)):
        waits = [retries.wait_seconds(tried) for _ in range(20)]
        assert longest / 2 <= min(waits) <= max(waits) <= longest
        assert len(set(waits)) > 1


@pytest.mark.parametrize("error", [EndpointError("no"), DeadlineExceeded("late"), InvalidInput("7"), BUSY])
def test_only_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    assert Attempts(Retries(), 60).wait_after(error) is None
    assert Attempts(Retries(), 60).wait_after(AWAY) is not None
    assert Attempts(NO_RETRIES, 60).wait_after(AWAY) is None


def test_a_busy_server_is_asked_again_only_on_request() -> None:
    assert Attempts(Retries(busy=True), 60).wait_after(BUSY) is not None


def test_tries_end_with_the_deadline() -> None:
    now = 100.0
    attempts = Attempts(Retries(first_seconds=1, most_seconds=1), 2.0, clock=lambda: now)
    assert attempts.left_seconds == 2.0
    assert attempts.wait_after(AWAY) is not None
    now = 101.6
    assert attempts.wait_after(AWAY) is None, "the wait would end behind the deadline"
    assert str(attempts.last(AWAY, "grpc://x")) == "it is away (tried 2 times)"
    assert (
        str(attempts.last(DeadlineExceeded("?"), "grpc://x"))
        == "grpc://x did not answer within 2 s (tried 2 times)"
    )
    now = 200.0
    assert attempts.left_seconds > 0


def test_the_number_of_tries_may_be_limited() -> None:
    attempts = Attempts(Retries(tries=3), 60)
    assert [attempts.wait_after(AWAY) is None for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("tries was given 0", {"tries": 0}),
        ("first_seconds and most_seconds", {"first_seconds": 3.0}),
        ("first_seconds and most_seconds", {"first_seconds": -1.0}),
    ],
)
def test_impossible_retries_are_refused(words: str, arguments: dict) -> None:
    with pytest.raises(UsageError, match=words):
        Retries(**arguments)


def test_after_a_failure_only_missing_pictures_are_asked_for_and_none_is_shown_twice() -> None:
    image = np.zeros((4, 4, 1), np.uint8)
    unfinished = Unfinished(SIGNATURE, {"seed": np.arange(3), "steps": np.array([2, 4, 4])}, first=8)
    assert unfinished.inputs()["seed"].tolist() == [0, 1, 2]
    for row, step, steps in ((0, 2, 2), (1, 2, 4)):
        shown = unfinished.accept(StreamedPicture(row, step, steps, image))
        assert shown is not None
        assert shown.row == 8 + row
    left = unfinished.inputs()
    assert left["seed"].tolist() == [1, 2]
    assert left["steps"].tolist() == [4, 4]
    assert unfinished.accept(StreamedPicture(0, 2, 4, image)) is None, "seen before the failure"
    later = unfinished.accept(StreamedPicture(0, 4, 4, image))
    assert later is not None
    assert (later.row, later.finished) == (9, True)
    assert unfinished.inputs()["seed"].tolist() == [2]
