"""One variant to make: a stage in a precision, for a runtime and a target; its name and its file follow from these.

And the variant once it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Variant, Verdict
from ..runners.base import library_of

__all__ = ["SCRIPT", "UNBUILT", "ExportedVariant", "VariantSpec"]

UNBUILT = "unbuilt"
"""The target of an engine that has to be built on another machine."""

SCRIPT = "engines/build-engine.sh"
"""The file of such an engine: a script that builds it on the machine where it is started."""


@dataclass(frozen=True)
class VariantSpec:
    """A variant before it is made; equal specs name the same variant of a bundle.

    Args:
        stage: name of the stage.
        precision: name of the precision.
        runtime: name of the runner that runs it.
        target: compute capability of an engine, such as "sm86", or `UNBUILT`; None for an ONNX graph.
    """

    stage: str
    precision: str
    runtime: str
    target: str | None = None

    @classmethod
    def of(cls, variant: Variant) -> VariantSpec:
        """The spec that `variant` was made from."""
        return cls(variant.stage, variant.precision, variant.runtime, variant.target)

    @property
    def name(self) -> str:
        """Name of the variant, unique in the bundle."""
        if self.target == UNBUILT:
            return f"{self.stage}.{self.precision}.{library_of(self.runtime).suffix}"
        return PurePosixPath(self.file).name

    @property
    def file(self) -> str:
        """Path inside the bundle."""
        if self.target == UNBUILT:
            return SCRIPT
        if self.target is not None:
            suffix = library_of(self.runtime).suffix
            return f"engines/{self.stage}.{self.precision}.{self.target}.{suffix}"
        suffix = "" if self.runtime == "onnxruntime" else f".{self.runtime}"
        return f"graphs/{self.stage}.{self.precision}{suffix}.onnx"

    def variant(self, verdict: Verdict, **facts: Any) -> Variant:
        """The variant as the manifest lists it.

        Args:
            verdict: of the gate.
            facts: further fields of `Variant`; a `file` of their own replaces the usual one.
        """
        return Variant(
            **{
                "name": self.name,
                "stage": self.stage,
                "precision": self.precision,
                "runtime": self.runtime,
                "target": self.target,
                "file": self.file,
                "verdict": verdict,
                **facts,
            }
        )


@dataclass(frozen=True)
class ExportedVariant:
    """A variant with what the manifest does not record.

    Args:
        variant: as the manifest lists it.
        graph: the content of its ONNX file; None of an engine.
        pictures: its pictures of the probes, UINT8 of shape (count, height, width, channels); None if it made none.
    """

    variant: Variant
    graph: bytes | None = None
    pictures: NDArray[np.uint8] | None = None
