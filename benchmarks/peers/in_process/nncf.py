"""NNCF's post-training INT8, run in OpenVINO."""

from __future__ import annotations

import logging
from functools import partial

from ....extras import require
from ....runners.openvino import Runner, in_own_thread, shared_core
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]

_NAME = "NNCF INT8 in OpenVINO"


class Peer(base.Peer):
    """`nncf.quantize` with litho's calibration inputs."""

    order = 60
    packages = ("nncf", "openvino")
    devices = ("cpu",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The plain graph with either precision between INT8 layers, and the graph that litho's passes made."""
        plain, rewritten = _quantized(source, source.plain), _quantized(source, source.rewritten)
        signature = source.pipeline.signature

        def form(made: object, precision: str) -> base.Form:
            opens = partial(Runner, made, signature, inference_precision=precision)
            words = precision or "of its choice"
            return base.Form(Candidate("int8", opens), f"latency hint, inference precision {words}")

        return {
            _NAME: form(plain, "f32"),
            f"{_NAME}, default hint": form(plain, ""),
            f"{_NAME}, litho's graph": form(rewritten, "f32"),
        }


def _quantized(source: base.Source, graph: bytes) -> object:
    nncf = require("nncf", "nncf")
    nncf.set_log_level(logging.ERROR)
    content, batches = source.with_noise(graph)
    model = shared_core().read_model(content)
    return in_own_thread(partial(nncf.quantize, model, nncf.Dataset(batches), subset_size=len(batches)))
