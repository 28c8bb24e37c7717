"""A run's snapshot in PyTorch, the reference of all other runners."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import LithoError, UsageError
from ..extras import require
from . import base

__all__ = ["Runner"]

_COMPILATIONS = 64
"""Times that the code of one network may be compiled, over all batch sizes."""


class Runner(base.Runner):
    """Runs a module from the signature's inputs to pixels, in eval mode and without gradients.

    Args:
        picture: a `training.networks.pixel_model.PixelModel`, or any module that takes the signature's inputs in
            order, texts as a list and all else as tensors, and returns UINT8 (batch, height, width, channels).
        device: "cpu", "cuda" or "cuda:1"; FP32 is not rounded to TF32.
        compiled: compile the network for each batch size, in its first run with it, with the channels last in memory.
            That takes seconds; the noise is not compiled, as its integer arithmetic becomes a kernel that takes
            minutes to compile and runs slower.
        bf16: autocast to BF16, with the channels last in memory.
    """

    name = "torch"
    title = "PyTorch"
    extra = "train"
    packages = ("torch",)
    devices = ("cpu", "cuda")

    def __init__(
        self, picture: Any, device: str = "cpu", *, compiled: bool = False, bf16: bool = False
    ) -> None:
        self._torch = require("torch", "train")
        self._device = _device(self._torch, device)
        self._bf16 = bf16
        picture = picture.to(self._device).eval()
        super().__init__(picture.signature, f"PyTorch {self._torch.__version__} on {device}")
        if bf16 or compiled:
            picture = copy.deepcopy(picture).to(memory_format=self._torch.channels_last)
        self._picture = _compiled(self._torch, picture) if compiled else picture

    @classmethod
    def from_location(cls, location: str, device: str) -> Self:
        """Open the snapshot of a run's directory."""
        require("torch", "train")
        from ..training.run.snapshot import load_snapshot

        return cls(load_snapshot(location).picture(), device)

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        torch = self._torch
        given = [
            # Tensors cannot hold texts.
            inputs[field.name].tolist()
            if field.dtype == "BYTES"
            else torch.from_numpy(inputs[field.name]).to(self._device)
            for field in self.signature.inputs
        ]
        try:
            with (
                torch.inference_mode(),
                _full_precision(torch),
                torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16),
            ):
                return self._picture(*given).cpu().numpy()
        except Exception as error:
            raise LithoError(f"{self.description} failed: {str(error).splitlines()[0]}") from error


def _compiled(torch: Any, picture: Any) -> Any:
    """A module that is compiled anew for each batch size; of a `PixelModel`, its network is."""
    # Beyond its limit PyTorch would run eagerly and say nothing; one network may be opened several times.
    config: Any = require("torch._dynamo.config", "train")
    config.recompile_limit, config.fail_on_recompile_limit_hit = _COMPILATIONS, True
    if not hasattr(picture, "generator"):
        return torch.compile(picture, dynamic=False)
    picture.generator = torch.compile(picture.generator, dynamic=False)
    return picture


def _device(torch: Any, device: str) -> Any:
    kind, number = base.parse_device(device, "PyTorch", ("cpu", "cuda"))
    if kind == "cuda" and number >= torch.cuda.device_count():
        raise UsageError(
            f"PyTorch finds {torch.cuda.device_count() or 'no'} GPU, so there is no {device!r}; use --device cpu,"
            " or install a CUDA build of torch"
        )
    return torch.device(device)


@contextmanager
def _full_precision(torch: Any) -> Iterator[None]:
    """Compute FP32 products on a GPU in FP32; by default PyTorch rounds convolutions to TF32."""
    switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision
