"""Engines of TensorRT-RTX on an NVIDIA GPU; its Python API is that of TensorRT."""

from __future__ import annotations

from . import base, tensorrt

__all__ = ["Runner"]


class Runner(tensorrt.Runner):
    """Runs an engine of TensorRT-RTX; see `runners.tensorrt`."""

    name = "tensorrt-rtx"
    library = base.Library(
        "TensorRT-RTX",
        "tensorrt_rtx",
        "rtx",
        "rtx",
        ahead_of_time=True,
        compatible=False,
        keeps_timings=False,
    )
    title = library.title
    extra = library.extra
    packages = ("tensorrt-rtx",)
    order = 11
