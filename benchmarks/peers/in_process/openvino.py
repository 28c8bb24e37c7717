"""OpenVINO with the graph as it is exported."""

from __future__ import annotations

from functools import partial

from ....export.passes import apply_passes
from ....runners.openvino import Runner
from ...shared.candidates import Candidate
from ..documents import plain_graph_name
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """In FP32, and as OpenVINO chooses by itself, which is BF16 on processors that have it."""

    order = 50
    packages = ("openvino",)
    devices = ("cpu",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The graph without litho's passes; its INT64 is too short for the seed, so the noise is given."""
        content, _ = apply_passes(source.plain, Runner.passes)
        signature = source.pipeline.signature
        fp32 = Candidate("fp32", partial(Runner.from_graph, content, signature))
        chosen = Candidate("bf16", partial(Runner, content, signature, inference_precision=""))
        return {
            plain_graph_name("openvino"): base.Form(fp32, "latency hint, inference precision f32"),
            "OpenVINO, default hint": base.Form(chosen, "latency hint, inference precision of its choice"),
        }
