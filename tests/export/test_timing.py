"""Runners timed in turns on this machine."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from litho.export.timing import (
    BATCHES,
    in_turns,
    processor_name,
    ratio_in_turns,
    time_in_turns,
    timing_record,
    without_timing_record,
)
from litho.runners.base import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


class Product(Runner):
    """Multiplies matrices as often as it is told."""

    name = "product"

    def __init__(self, times: int) -> None:
        super().__init__(Signature(inputs=(seed_field(),), output=image_output(4, 4, 1)), "products")
        self._times, self._matrix = times, np.ones((96, 96))

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        for _ in range(self._times):
            self._matrix @ self._matrix
        return np.zeros((len(inputs["seed"]), 4, 4, 1), np.uint8)


@pytest.mark.slow
def test_what_works_four_times_as_much_takes_longer() -> None:
    median, lower, upper = ratio_in_turns(lambda: Product(80), lambda: Product(20), 2, 1.0)
    assert lower <= median <= upper
    assert median > 1.5


@given(st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_every_round_measures_each_once_and_may_turn_the_order(
    count: int, rounds: int, alternate: bool
) -> None:
    order: list[int] = []
    measures = {str(number): partial(order.append, number) for number in range(count)}
    for measured in islice(in_turns(measures, alternate=alternate), rounds):
        assert set(measured) == set(measures)
    forward = list(range(count))
    assert order == [
        number for turn in range(rounds) for number in (forward[::-1] if alternate and turn % 2 else forward)
    ]


@pytest.mark.slow
def test_every_runner_is_timed_at_every_batch() -> None:
    shares: list[float] = []
    timings = time_in_turns({"slow": lambda: Product(80), "fast": lambda: Product(4)}, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for batch, slow, fast in zip(BATCHES, timings["slow"], timings["fast"], strict=True):
        assert slow.batch == fast.batch == batch
        assert slow.p50_ms > fast.p50_ms
        assert fast.images_per_second == pytest.approx(batch / fast.p50_ms * 1e3)


def test_large_pictures_are_timed_in_the_batches_that_they_are_proven_with() -> None:
    class Large(Product):
        def __init__(self) -> None:
            super().__init__(0)
            self.signature = Signature(inputs=(seed_field(),), output=image_output(512, 256, 1))

        def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
            return np.zeros((len(inputs["seed"]), 512, 256, 1), np.uint8)

    assert [timing.batch for timing in time_in_turns({"large": Large})["large"]] == [1, 8]
    assert time_in_turns({}) == {}


def test_the_record_of_timings_can_be_taken_off_an_environment() -> None:
    record = timing_record()
    assert set(record) == {"timed_at", "timed_on"}
    assert record["timed_on"].startswith(processor_name())
    assert without_timing_record({"torch": "2.13", **record}) == {"torch": "2.13"}
