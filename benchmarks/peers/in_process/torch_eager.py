"""PyTorch as it is."""

from __future__ import annotations

from functools import partial

from ....runners.torch import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """Eager PyTorch in FP32; on a GPU without TF32."""

    order = 10
    packages = ("torch",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The module as it was trained."""
        opens = partial(Runner, source.pipeline.model, source.device)
        return {"torch eager": base.Form(Candidate("fp32", opens), "inference mode")}
