"""PyTorch in BF16."""

from __future__ import annotations

from functools import partial

from ....runners.torch import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """Eager PyTorch under autocast to BF16."""

    order = 30
    packages = ("torch",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The module with the channels last in memory, which is faster."""
        opens = partial(Runner, source.pipeline.model, source.device, bf16=True)
        settings = "inference mode, autocast to BF16, channels last"
        return {"torch BF16, channels last": base.Form(Candidate("bf16", opens), settings)}
