"""ONNX Runtime with the graph as it is exported."""

from __future__ import annotations

from functools import partial

from ....export.passes import apply_passes
from ....runners.onnxruntime import Runner
from ...shared.candidates import Candidate
from ..documents import plain_graph_name
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """FP32, all of ONNX Runtime's own optimisations."""

    order = 40
    packages = ("onnxruntime",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The graph without litho's passes."""
        content, _ = apply_passes(source.plain, Runner.passes)
        opens = partial(Runner.from_graph, content, source.pipeline.signature, source.device)
        return {plain_graph_name("onnxruntime"): base.Form(Candidate("fp32", opens), "all optimisations")}

    def lacks(self, device: str) -> str:
        """As of every peer; on a GPU its CUDA provider too."""
        return super().lacks(device) or base.lacks_provider(device, "CUDAExecutionProvider")
