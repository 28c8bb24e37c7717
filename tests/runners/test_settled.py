"""A future is settled once, whoever cancels it."""

from concurrent.futures import Future
from typing import Any

import pytest

from litho.runners._settled import finish


def test_a_future_gets_its_result_or_its_error() -> None:
    good: Future[Any] = Future()
    finish(good, 3)
    assert good.result(0) == 3
    bad: Future[Any] = Future()
    finish(bad, error=ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        bad.result(0)


def test_one_that_was_cancelled_stays_cancelled() -> None:
    left: Future[Any] = Future()
    left.cancel()
    finish(left, 3)
    assert left.cancelled()
