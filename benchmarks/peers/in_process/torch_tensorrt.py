"""Torch-TensorRT, on a GPU."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from ....export.timing import BATCHES
from ....extras import require
from ....runners.torch import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer", "in_half"]


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
    if precision == "fp16":
        model.generator = in_half(torch, model.generator)
    # TensorRT 11 computes in the types of the graph, and newer releases of Torch-TensorRT refuse `enabled_precisions`
    # beside it; older ones do as TensorRT 11 with this option (https://github.com/pytorch/TensorRT/issues/4070).
    options = {"use_explicit_typing": True, "min_block_size": 1, "disable_tf32": True}
    model.generator = torch.compile(model.generator, backend="tensorrt", dynamic=False, options=options)
    return Runner(model, source.device)


def in_half(torch: Any, network: Any) -> Any:
    """A network that computes in FP16, with inputs and outputs in FP32.

    Args:
        torch: the module.
        network: in FP32; its weights are converted.
    """

    class InHalf(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.half()

        def forward(self, *inputs: Any) -> Any:
            given = [
                value.half() if torch.is_tensor(value) and value.is_floating_point() else value
                for value in inputs
            ]
            return self.network(*given).float()

    return InHalf()
