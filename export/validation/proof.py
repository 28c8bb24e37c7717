"""Prove each graph of a generator in the runtime that is to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Figure
from ...bundle.probes import Probes
from ...errors import LithoError
from ...parity.gate import Gate
from ...parity.replay import Outcome, prove, replay
from ..pipeline import Pipeline
from ..precisions import Precision
from .distance import Distance
from .locate import locate

if TYPE_CHECKING:
    from ...runners.base import Runner

__all__ = ["Proof"]

_ERROR_PROBES = 16


class Proof:
    """Judges graphs of single stages; the other stages run as their FP32 variants in ONNX Runtime.

    Args:
        pipeline: of the generator.
        graphs: stage -> its graph, as it was exported.
        probes: with PyTorch's pictures.
        distance: Fréchet distance between sets of pictures.
        other_stages: stage -> its FP32 variant, which runs while another stage is judged; default: `graphs`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        graphs: Mapping[str, bytes],
        probes: Probes,
        distance: Distance,
        other_stages: Mapping[str, bytes] | None = None,
    ) -> None:
        self._pipeline, self._graphs, self._other_stages = pipeline, graphs, other_stages or graphs
        self._probes, self._distance = probes, distance
        self._known: dict[tuple[str, ...], Outcome] = {}

    def judge(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> Outcome:
        """The verdict on a graph in a runtime, and its pictures of the probes.

        Args:
            stage: name of the graph's stage.
            graph: content of its ONNX file, as the runtime takes it.
            runtime: name of a runner of graphs.
            precision: its gate holds the limits.
        """
        whole = self._whole(stage, graph, runtime, precision)
        if whole in self._known:
            return self._known[whole]
        if (stage, *whole) not in self._known:
            judged = self._judge(stage, graph, runtime, precision)
            # A pass holds for every stage of the whole; the cause of a failure is looked for in each stage.
            self._known[whole if judged.verdict.status == "passed" else (stage, *whole)] = judged
        return self._known[whole if whole in self._known else (stage, *whole)]

    def limits(self, precision: Precision) -> Gate:
        """The limits of the generator's pictures in a precision."""
        return precision.limits(self._pipeline.sampler)

    def _whole(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> tuple[str, ...]:
        """Every graph of the whole by its hash, with its runtime, and the precision: the key of a verdict."""
        composed = {name: ("onnxruntime", other) for name, other in self._other_stages.items()}
        composed[stage] = (runtime, graph)
        parts = (
            f"{name} {where} {hashlib.sha256(one).hexdigest()}" for name, (where, one) in composed.items()
        )
        return (*parts, precision.name)

    def _judge(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> Outcome:
        gate = self.limits(precision)

        def measure(runner: Runner) -> list[Figure]:
            # FP32 promises the same pictures, so that a distance of sets says nothing more.
            return [] if precision.element == "FLOAT" else [self._distance.figure(runner, gate)]

        def layer(pictures: NDArray[np.uint8]) -> str | None:
            graphs = self._graphs[stage], graph
            return locate(self._pipeline, stage, graphs, precision, self._probes, pictures)

        opens = partial(self._open, stage, graph, runtime)
        return prove(opens, self._probes, gate, measure=measure, locate=layer)

    def squared_error(self, stage: str, graph: bytes, runtime: str) -> float:
        """Mean squared error of the first probes' pictures, in squared grey levels; infinite if the graph fails."""
        wanted = self._probes.images[:_ERROR_PROBES].astype(np.float64)
        few = self._probes.first(_ERROR_PROBES)
        try:
            with self._open(stage, graph, runtime) as runner:
                return float(np.square(replay(runner, few, _ERROR_PROBES) - wanted).mean())
        except LithoError:
            return float("inf")

    def _open(self, stage: str, graph: bytes, runtime: str) -> Runner:
        return self._pipeline.open({**self._other_stages, stage: graph}, {stage: runtime})
