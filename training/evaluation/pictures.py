"""Pictures of an evaluation, made by the workers of a pool: a piece is the pictures of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CheckpointError
from ...runners._pools import Seat, Work
from ...signature import Signature

if TYPE_CHECKING:
    from ...runners._pools.base import Advance, Make

__all__ = ["PictureWork"]


class PictureWork(Work):
    """Makes pictures of a run's snapshot with PyTorch, as an evaluation on one machine does.

    A piece is UINT8 of shape (count, height, width, channels).

    Args:
        run: the run's directory, the same path on every machine.
        weights_sha256: of its weights.
        signature: of the generator.
        inputs: field name -> checked values with a batch axis in front, in the signature's order.
        at_once: pictures of a batch.
        device: "cpu" or "cuda".
    """

    def __init__(
        self,
        run: Path,
        weights_sha256: str,
        signature: Signature,
        inputs: Mapping[str, NDArray[Any]],
        at_once: int,
        device: str,
    ) -> None:
        self._run, self._weights_sha256, self._signature = run.absolute(), weights_sha256, signature
        self._inputs, self._at_once, self._device = dict(inputs), at_once, device

    @property
    def pieces(self) -> int:
        """Batches in all."""
        return -(-len(next(iter(self._inputs.values()))) // self._at_once)

    def check(self) -> None:
        """See `Work.check`: this run lies on the machine's disk."""
        from ..run.snapshot import INFO_NAME, SnapshotInfo

        try:
            found = SnapshotInfo.model_validate_json((self._run / INFO_NAME).read_bytes()).weights_sha256
        except (OSError, ValueError):
            raise CheckpointError(
                f"there is no run at {self._run}; copy it there, or give a folder that all nodes share"
            ) from None
        if found != self._weights_sha256:
            raise CheckpointError(f"{self._run} has other weights there; copy the same run to all nodes")

    @contextmanager
    def open(self, seat: Seat) -> Iterator[Make]:
        """See `Work.open`."""
        import torch

        from ..networks.pixel_model import PixelModel
        from ..run.snapshot import load_snapshot

        self.check()
        before = torch.get_num_threads()
        if seat.threads is not None:
            torch.set_num_threads(seat.threads)
        model = PixelModel(load_snapshot(self._run).generator().to(self._device), self._signature).eval()

        def make(number: int, advance: Advance) -> NDArray[np.uint8]:
            rows = slice(number * self._at_once, (number + 1) * self._at_once)
            inputs = {name: values[rows] for name, values in self._inputs.items()}
            return model.make(inputs, self._at_once, self._device)

        try:
            yield make
        finally:
            torch.set_num_threads(before)
