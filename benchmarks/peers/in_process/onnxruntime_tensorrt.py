"""ONNX Runtime's TensorRT provider, on a GPU."""

from __future__ import annotations

from functools import partial

from ....runners.onnxruntime import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """The plain graph in FP32, compiled by TensorRT when it is first run."""

    order = 90
    packages = ("onnxruntime",)
    devices = ("cuda",)

    def lacks(self, device: str) -> str:
        """As of every peer, and the provider."""
        return super().lacks(device) or base.lacks_provider(device, "TensorrtExecutionProvider")

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The graph without litho's passes."""
        opens = partial(Runner.from_graph, source.plain, source.pipeline.signature, "tensorrt")
        return {"ONNX Runtime, TensorRT provider": base.Form(Candidate("fp32", opens), "FP32, no TF32")}
