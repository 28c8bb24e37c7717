"""Torch-TensorRT, on a GPU."""

from __future__ import annotations

import copy
from functools import partial

from ....export.timing import BATCHES
from ....extras import require
from ....runners.torch import Runner
from ...candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """The backend `tensorrt` of torch.compile, once for each batch that is timed."""

    order = 80
    packages = ("torch", "torch_tensorrt")
    devices = ("cuda",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """In FP32 and in FP16, the noise outside."""
        return {
            f"Torch-TensorRT, {precision.upper()}": base.Form(
                Candidate(precision, partial(_open, source, precision), batches=BATCHES),
                "dynamic=False, the noise outside, the rest in PyTorch",
            )
            for precision in ("fp32", "fp16")
        }


def _open(source: base.Source, precision: str) -> Runner:
    torch = require("torch", "train")
    require("torch_tensorrt", "torch_tensorrt")  # registers the backend
    model = copy.deepcopy(source.pipeline.model).eval()
    types = {torch.float32, torch.float16} if precision == "fp16" else {torch.float32}
    options = {"enabled_precisions": types, "min_block_size": 1, "disable_tf32": True}
    model.generator = torch.compile(model.generator, backend="tensorrt", dynamic=False, options=options)
    return Runner(model, source.device)
