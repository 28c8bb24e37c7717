"""Engines of TensorRT-RTX on an NVIDIA GPU: as those of TensorRT, by the library of another name."""

from __future__ import annotations

from . import tensorrt

__all__ = ["Runner"]


class Runner(tensorrt.Runner):
    """Runs an engine of TensorRT-RTX; see `runners.tensorrt`."""

    name = "tensorrt-rtx"
    library = "tensorrt-rtx"
