"""Tries of a piece, and errors that travel between processes."""

import errno
import pickle

import pytest

from litho import errors
from litho.errors import EndpointBusy, InvalidInput, LithoError, StorageError, UsageError
from litho.runners._pools.outcomes import MOST_TRIES, Failed, attempt, failed


def failing(times: int, error: Exception) -> tuple[list[int], object]:
    tries: list[int] = []

    def make(number: int, advance: object) -> int:
        tries.append(number)
        if len(tries) <= times:
            raise error
        return number

    return tries, make


@pytest.mark.parametrize("error", [EndpointBusy("full"), StorageError("slow"), OSError(errno.EIO, "broken")])
def test_what_may_pass_is_tried_again_after_a_pause(error: Exception) -> None:
    pauses: list[float] = []
    _, make = failing(MOST_TRIES - 1, error)
    assert attempt(make, 7, lambda share: None, pauses.append) == (7, MOST_TRIES - 1)  # pyright: ignore[reportArgumentType]
    assert pauses == sorted(pauses)
    tries, make = failing(MOST_TRIES, error)
    with pytest.raises(type(error)):
        attempt(make, 7, lambda share: None, pauses.append)  # pyright: ignore[reportArgumentType]
    assert len(tries) == MOST_TRIES


@pytest.mark.parametrize("error", [InvalidInput("wrong"), LithoError("no"), ValueError("a fault")])
def test_what_comes_again_is_not(error: Exception) -> None:
    tries, make = failing(1, error)
    with pytest.raises(type(error)):
        attempt(make, 7, lambda share: None)  # pyright: ignore[reportArgumentType]
    assert len(tries) == 1


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name[0].isupper()])
def test_every_error_of_litho_arrives_with_its_line_and_exit_code(name: str) -> None:
    kind = getattr(errors, name)
    sent = Failed(kind.__name__, "a line", kind.exit_code)
    arrived = pickle.loads(pickle.dumps(sent)).error("node a")
    assert str(arrived) == "node a: a line"
    assert arrived.exit_code == kind.exit_code


def test_errors_of_the_system_and_of_libraries_become_a_line() -> None:
    assert failed(OSError(errno.ENOSPC, "No space left on device", "/data/x")) == Failed(
        "StorageError", "No space left on device: /data/x"
    )
    assert failed(ZeroDivisionError("by\nzero")) == Failed("LithoError", "ZeroDivisionError: by zero")
    assert failed(UsageError("no")).error().exit_code == 2
