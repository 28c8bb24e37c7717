"""Every picture once per pass, whatever the batch, the shards and the processes; nothing but (seed, step) counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.training.data.stream.order import Order, lanes_of

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=12).map(np.array)


def slots(order: Order, batch: int, steps: range, part: slice = slice(None)) -> np.ndarray:
    """Chunk and row of every slot of a share, shape (steps * slots, 2)."""
    lanes, numbers = order.lane_slots(part)
    found = []
    for step in steps:
        for lane, number in zip(lanes, numbers, strict=True):
            position = order.lane_position(step) + int(number)
            window = order.window(int(lane), position)
            assert window.first <= position < window.end
            found.append((window.chunks[position - window.first], window.rows[position - window.first]))
    return np.array(found)


def lane_of_slot(order: Order, batch: int, steps: int) -> np.ndarray:
    return np.tile(order.lane_slots(slice(None))[0], steps)


@given(SIZES, st.integers(1, 24), st.integers(1, 200), st.integers(0, 2**31 - 1))
def test_every_picture_is_used_once_per_pass(
    sizes: np.ndarray, batch: int, shuffle_nimg: int, seed: int
) -> None:
    order = Order(seed, sizes, batch, shuffle_nimg)
    count, lanes = int(sizes.sum()), order.lanes
    # After `lanes` passes every lane has had the same number of pictures.
    pictures: list[list[tuple[int, int]]] = [[] for _ in range(lanes)]
    for lane in range(lanes):
        while len(pictures[lane]) < count:
            window = order.window(lane, len(pictures[lane]))
            assert window.first == len(pictures[lane])
            pictures[lane] += zip(window.chunks.tolist(), window.rows.tolist(), strict=True)
        assert len(pictures[lane]) == count, "a window does not reach into the next round of passes"
    everything = [(chunk, row) for chunk, size in enumerate(sizes) for row in range(size)]
    for number in range(lanes):
        bounds = [(order._before(lane, number), order._before(lane, number + 1)) for lane in range(lanes)]
        used = [one for lane, (first, end) in enumerate(bounds) for one in pictures[lane][first:end]]
        assert sorted(used) == everything
        assert max(end - first for first, end in bounds) - min(end - first for first, end in bounds) <= 1


@given(SIZES, st.sampled_from([4, 8, 12]), st.integers(1, 60), st.integers(0, 2**31 - 1), st.integers(0, 9))
def test_processes_share_the_batch_of_one(
    sizes: np.ndarray, batch: int, shuffle_nimg: int, seed: int, step: int
) -> None:
    whole = slots(Order(seed, sizes, batch, shuffle_nimg), batch, range(step, step + 1))
    for processes in (2, 4):
        share = batch // processes
        parts = [slice(number * share, (number + 1) * share) for number in range(processes)]
        orders = [Order(seed, sizes, batch, shuffle_nimg) for _ in parts]
        split = [
            slots(order, batch, range(step, step + 1), part)
            for order, part in zip(orders, parts, strict=True)
        ]
        assert np.array_equal(np.concatenate(split), whole)


def test_seeds_and_passes_have_orders_of_their_own() -> None:
    sizes = np.full(8, 16)
    orders = {tuple(map(tuple, slots(Order(seed, sizes, 8, 32), 8, range(16)))) for seed in range(3)}
    assert len(orders) == 3
    one = Order(0, sizes, 8, 32)
    assert not np.array_equal(slots(one, 8, range(16)), slots(one, 8, range(16, 32)))


def test_a_batch_has_pictures_of_many_chunks_and_steps_are_not_in_the_order_of_the_shards() -> None:
    order = Order(1, np.full(256, 64), 32, 1024)
    first = slots(order, 32, range(1))
    assert len(set(first[:, 0].tolist())) >= 28, "of 32"
    rows = slots(order, 32, range(64))[:, 1]
    assert abs(np.corrcoef(rows[:-32], rows[32:])[0, 1]) < 0.1, "neighbours of a lane are unrelated"


def test_a_process_opens_the_chunks_of_its_own_lanes() -> None:
    order = Order(0, np.full(64, 32), 32, 512)
    steps = range(64)  # one pass
    halves = [slots(order, 32, steps, part) for part in (slice(0, 16), slice(16, 32))]
    chunks = [set(half[:, 0].tolist()) for half in halves]
    assert len(chunks[0] & chunks[1]) <= 1
    assert len(chunks[0] | chunks[1]) == 64


def test_windows_of_the_lanes_end_at_different_steps() -> None:
    order = Order(0, np.full(64, 100), 16, 1600)
    ends = {order.window(lane, 0).end for lane in range(order.lanes)}
    assert len(ends) == order.lanes == 16


@pytest.mark.parametrize(
    ("batch", "count", "most", "lanes"),
    [(32, 10**9, 64, 32), (256, 10**9, 64, 64), (96, 10**9, 64, 48), (97, 10**9, 64, 1), (8, 3, 64, 2)],
)
def test_the_number_of_lanes_divides_the_batch(batch: int, count: int, most: int, lanes: int) -> None:
    assert lanes_of(batch, count, most) == lanes


def test_a_billion_pictures_have_an_order_at_once() -> None:
    order = Order(0, np.full(1_000_000, 1000), 256, 8192)
    window = order.window(63, 10**8)
    assert len(window.chunks) == 128
