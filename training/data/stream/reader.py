"""Reads the batches of a stream ahead of the training: chunks over the network, pictures decoded in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from ..batches import Batch, Batches, Share
from ..pixels import from_pixels
from ..records import Record
from .order import Order, Window

__all__ = ["Decoded", "StreamBatches"]

AHEAD = 4
"""Batches that are decoded before they are asked for."""

_READERS = 8
_GROUP = 16
"""Pictures of a task: a task for each costs more than decoding a small one."""


@dataclass(frozen=True)
class Decoded:
    """One picture of a batch.

    Args:
        image: UINT8 of shape (height, width, channels).
        source: source image of a pair, like `image`.
        label: number of its class.
        caption: its text.
    """

    image: NDArray[np.uint8]
    source: NDArray[np.uint8] | None
    label: int | None
    caption: str | None


_Chunk = Future[list[Record]]


@dataclass
class _Opened:
    """A window with its chunks, which are in memory as long as it is."""

    window: Window
    chunks: dict[int, _Chunk]


class StreamBatches(Batches):
    """The batches of one process.

    Args:
        order: of the pictures.
        share: of this process.
        read: number of a chunk -> its rows; called in threads.
        decode: a row -> the picture; called in threads.
    """

    def __init__(
        self,
        order: Order,
        share: Share,
        read: Callable[[int], list[Record]],
        decode: Callable[[Record], Decoded],
    ) -> None:
        self._order, self._share, self._read, self._decode = order, share, read, decode
        self._lanes, self._numbers = order.lane_slots(share.part)
        self._readers = ThreadPoolExecutor(_READERS, "litho-read")
        self._decoders = ThreadPoolExecutor(min(16, os.cpu_count() or 1), "litho-decode")
        self._chunks: WeakValueDictionary[int, _Chunk] = WeakValueDictionary()
        self._restart(0)

    def _restart(self, step: int) -> None:
        self._next = self._scheduled = step
        self._pending: list[list[Future[list[Decoded]]]] = []
        self._open: dict[int, tuple[_Opened, _Opened]] = {}

    def at(self, step: int) -> Batch:
        """The pictures of a step."""
        if step != self._next:
            self._cancel()
            self._restart(step)
        while self._scheduled <= step + AHEAD:
            self._pending.append(self._schedule(self._scheduled))
            self._scheduled += 1
        pictures = [picture for group in self._pending.pop(0) for picture in group.result()]
        self._next += 1
        return _batch(pictures, self._share.device)

    def close(self) -> None:
        """End the threads; what they have begun is finished and dropped."""
        self._cancel()
        self._restart(0)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._decoders.shutdown(wait=False, cancel_futures=True)

    def _cancel(self) -> None:
        for groups in self._pending:
            for group in groups:
                group.cancel()

    def _schedule(self, step: int) -> list[Future[list[Decoded]]]:
        start = self._order.lane_position(step)
        wanted: list[tuple[_Chunk, int]] = []
        for lane, number in zip(self._lanes.tolist(), self._numbers.tolist(), strict=True):
            position = start + number
            opened = self._window(lane, position)
            index = position - opened.window.first
            chunk, row = int(opened.window.chunks[index]), int(opened.window.rows[index])
            wanted.append((opened.chunks[chunk], row))
        groups = [wanted[first : first + _GROUP] for first in range(0, len(wanted), _GROUP)]
        return [self._decoders.submit(self._decoded, group) for group in groups]

    def _decoded(self, wanted: Sequence[tuple[_Chunk, int]]) -> list[Decoded]:
        return [self._decode(chunk.result()[row]) for chunk, row in wanted]

    def _window(self, lane: int, position: int) -> _Opened:
        """The window of a lane around a position; the one behind it is read ahead."""
        now, then = self._open.get(lane, (None, None))
        if now is None or position >= now.window.end or position < now.window.first:
            inside = then is not None and then.window.first <= position < then.window.end
            now = then if inside and then is not None else self._opened(lane, position)
            then = self._opened(lane, now.window.end)
            self._open[lane] = now, then
        return now

    def _opened(self, lane: int, position: int) -> _Opened:
        window = self._order.window(lane, position)
        chunks: dict[int, _Chunk] = {}
        for chunk in dict.fromkeys(window.chunks.tolist()):
            future = self._chunks.get(chunk)
            if future is None:
                future = self._chunks[chunk] = self._readers.submit(self._read, chunk)
            chunks[chunk] = future
        return _Opened(window, chunks)


def _batch(pictures: Sequence[Decoded], device: torch.device | str) -> Batch:
    images = np.stack([picture.image for picture in pictures])
    labels = [picture.label for picture in pictures if picture.label is not None]
    sources = [picture.source for picture in pictures if picture.source is not None]
    captions = [picture.caption for picture in pictures if picture.caption is not None]
    return Batch(
        images=from_pixels(torch.from_numpy(images).to(device)),
        labels=torch.tensor(labels, dtype=torch.int64, device=device) if labels else None,
        sources=from_pixels(torch.from_numpy(np.stack(sources)).to(device)) if sources else None,
        captions=tuple(captions) if captions else None,
    )
