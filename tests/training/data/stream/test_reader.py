"""Batches that are read ahead: any step, errors of the threads, and memory that does not grow."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from litho.errors import DataError
from litho.training.data.batches import Share
from litho.training.data.records import Record
from litho.training.data.stream.order import Order
from litho.training.data.stream.reader import Decoded, StreamBatches

SIZES = np.full(40, 10)


class Rows(list[Record]):
    """Rows of a chunk, to which weak references can be had."""


class Store:
    """Chunks whose pictures say their number; counts the chunks that are in memory."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Rows] = weakref.WeakSet()
        self.reads: list[int] = []
        self.most = 0
        self._lock = threading.Lock()

    def read(self, chunk: int) -> list[Record]:
        rows = Rows(Record(f"{chunk} {row}", b"", label=10 * chunk + row) for row in range(10))
        rows.__class__.__hash__ = object.__hash__  # type: ignore[method-assign]
        with self._lock:
            self.alive.add(rows)
            self.reads.append(chunk)
            self.most = max(self.most, len(self.alive))
        return rows


def decode(row: Record) -> Decoded:
    assert isinstance(row.label, int)
    return Decoded(np.full((2, 2, 1), row.label % 256, np.uint8), None, row.label, f"text {row.label}")


def opened(store: Store, part: slice = slice(None), shuffle_nimg: int = 80) -> StreamBatches:
    order = Order(5, SIZES, 8, shuffle_nimg)
    return StreamBatches(order, Share(5, 8, part), store.read, decode)


def labels(batches: StreamBatches, steps: range) -> list[list[int]]:
    return [batches.at(step).labels.tolist() for step in steps]  # type: ignore[union-attr]


def test_any_step_is_what_it_is_in_turn() -> None:
    batches = opened(Store())
    in_turn = labels(batches, range(100))
    assert sorted(label for step in in_turn[:50] for label in step) == list(range(400)), "a pass"
    for step in (70, 3, 4, 99):
        assert labels(batches, range(step, step + 1)) == [in_turn[step]]
    batches.close()


def test_a_batch_holds_what_belongs_together() -> None:
    batches = opened(Store())
    batch = batches.at(0)
    assert batch.labels is not None
    assert batch.captions == tuple(f"text {label}" for label in batch.labels.tolist())
    assert batch.images.shape == (8, 1, 2, 2)
    assert batch.images[:, 0, 0, 0].tolist() == pytest.approx((batch.labels % 256 / 127.5 - 1).tolist())
    batches.close()


def test_two_processes_read_what_one_reads_and_each_chunk_once_a_pass() -> None:
    stores = Store(), Store(), Store()
    parts = slice(None), slice(0, 4), slice(4, 8)
    whole, first, second = (opened(store, part) for store, part in zip(stores, parts, strict=True))
    for step in range(40):
        one, two, all_ = (batches.at(step).labels.tolist() for batches in (first, second, whole))  # type: ignore[union-attr]
        assert one + two == all_
    for batches in (whole, first, second):
        batches.close()
    assert len(stores[1].reads) < 0.7 * len(stores[0].reads)


def test_memory_is_bounded_by_the_windows() -> None:
    store = Store()
    batches = opened(store)
    for step in range(200):
        batches.at(step)
        gc.collect(0)
    # 8 lanes with two windows of 10 pictures, each in at most 2 of 40 chunks, and the batches that are read ahead.
    assert store.most <= 8 * 2 * 2 + 4 < len(SIZES)
    batches.close()


def test_an_error_of_a_thread_is_that_of_the_step() -> None:
    def broken(row: Record) -> Decoded:
        if row.label == 123:
            raise DataError(f"{row.where} cannot be read")
        return decode(row)

    batches = StreamBatches(Order(5, SIZES, 8, 80), Share(5, 8, slice(None)), Store().read, broken)
    with pytest.raises(DataError, match=r"^12 3 cannot be read$"):
        labels(batches, range(50))
    batches.close()
