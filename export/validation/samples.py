"""Many pictures for a figure about sets, made by the workers of a pool: a piece is the pictures of one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError
from ...files import sha256
from ...parity.replay import make
from ...runners import Runner
from ...runners._pools import Seat, Work
from ...runners._pools.base import Advance, Make

__all__ = ["SampleWork"]


class SampleWork(Work):
    """Makes pictures of given inputs; a piece is UINT8 of shape (count, height, width, channels).

    Args:
        opens: opens the runner on `threads` cores, None for all; a function of a module, or a `partial` of one.
        inputs: field name -> values with a common batch axis in front.
        batch: pictures of one run.
        files: that every machine must have -> SHA-256.
    """

    def __init__(
        self,
        opens: Callable[..., Runner],
        inputs: Mapping[str, NDArray[Any]],
        batch: int,
        files: Mapping[Path, str],
    ) -> None:
        self._opens, self._inputs, self._batch = opens, dict(inputs), batch
        self._files = {path.absolute(): digest for path, digest in files.items()}

    @property
    def pieces(self) -> int:
        """Batches in all."""
        return -(-len(next(iter(self._inputs.values()))) // self._batch)

    def check(self) -> None:
        """See `Work.check`: the files lie on the machine's disk."""
        for path, digest in self._files.items():
            if not path.is_file():
                raise BundleError(f"there is no {path}; copy it there, or give a folder that all nodes share")
            if sha256(path) != digest:
                raise BundleError(f"{path} is another one there; copy the same to all nodes")

    @contextmanager
    def open(self, seat: Seat) -> Iterator[Make]:
        """See `Work.open`."""
        self.check()
        with self._opens(threads=seat.threads) as runner:

            def piece(number: int, advance: Advance) -> NDArray[np.uint8]:
                rows = slice(number * self._batch, (number + 1) * self._batch)
                part = {name: values[rows] for name, values in self._inputs.items()}
                return make(runner, part, self._batch)

            yield piece
