"""torch.compile, in FP32 and in BF16."""

from __future__ import annotations

from functools import cache

from ....export.timing import BATCHES
from ....runners.torch import Runner
from ...shared.candidates import Candidate
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """Inductor, once for each batch that is timed; probes are replayed at those batches only."""

    order = 20
    packages = ("torch",)

    def forms(self, source: base.Source) -> dict[str, base.Form]:
        """The network compiled, the noise as it is."""
        settings = "inference mode, channels last, dynamic=False for each batch, the noise not compiled"
        return {
            "torch.compile": _form(source, "fp32", settings),
            "torch.compile BF16": _form(source, "bf16", f"{settings}, autocast to BF16"),
        }


def _form(source: base.Source, precision: str, settings: str) -> base.Form:
    @cache  # what was compiled to be judged is timed
    def opens() -> Runner:
        bf16 = precision == "bf16"
        return Runner(source.pipeline.model, source.device, compiled=True, bf16=bf16)

    return base.Form(Candidate(precision, opens, batches=BATCHES), settings)
