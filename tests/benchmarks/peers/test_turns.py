from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from litho.benchmarks.peers.turns import time_in_rounds
from litho.bundle import Bundle
from litho.errors import LithoError
from litho.export.timing import BATCHES, TimingFailed
from litho.runners import Runner, open_runner


def test_every_round_has_every_runner_at_every_batch(bundle: Path) -> None:
    opens = partial(open_runner, Bundle.load(bundle))
    shares: list[float] = []
    times = time_in_rounds({"first": opens, "second": opens}, Random(3), 2, shares.append)
    for one in times.values():
        assert [timing.batch for timing in one.timings] == list(BATCHES)
        assert [(rounds.batch, len(rounds.ms)) for rounds in one.rounds] == [(batch, 2) for batch in BATCHES]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_runner_that_fails_is_named() -> None:
    @contextmanager
    def broken() -> Iterator[Runner]:
        raise LithoError("it does not open")
        yield

    with pytest.raises(TimingFailed, match="broken could not be timed: it does not open"):
        time_in_rounds({"broken": broken}, Random(0), 1)
