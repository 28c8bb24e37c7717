"""The replay that every graph of a generator is judged by, in the runtime that is to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..bundle import Probes, Verdict
from ..errors import DeviceError, LithoError, MissingExtra
from .distance import Distance
from .faults import explain
from .gate import judge, replay, replay_sizes
from .locate import locate
from .pipeline import Pipeline
from .precisions import Precision
from .probes import PROBE_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runners.base import Runner

__all__ = ["Proof"]

REPLAY_BATCHES = (PROBE_COUNT, 1, 7)
"""The gate replays the probes together, alone, and in uneven parts."""

_DAMAGE_PROBES = 16


class Proof:
    """Judges a graph of one stage; the others run in FP32 in ONNX Runtime.

    Args:
        pipeline: of the generator.
        graphs: stage -> its FP32 graph.
        probes: with PyTorch's pictures.
        distance: of sets of pictures.
    """

    def __init__(
        self, pipeline: Pipeline, graphs: Mapping[str, bytes], probes: Probes, distance: Distance
    ) -> None:
        self._pipeline, self._graphs = pipeline, graphs
        self._probes, self._distance = probes, distance
        self._known: dict[tuple[str, str, str, str], tuple[Verdict, NDArray[np.uint8] | None]] = {}

    def judge(
        self, stage: str, graph: bytes, runtime: str, precision: Precision
    ) -> tuple[Verdict, NDArray[np.uint8] | None]:
        """The verdict on a graph in a runtime, and the probes' pictures as far as it made any.

        Args:
            stage: that the graph is of.
            graph: content of its ONNX file, as the runtime takes it.
            runtime: name of a runner of graphs.
            precision: whose limits hold.
        """
        key = (stage, hashlib.sha256(graph).hexdigest(), runtime, precision.name)
        if key not in self._known:
            self._known[key] = self._judge(stage, graph, runtime, precision)
        return self._known[key]

    def _judge(
        self, stage: str, graph: bytes, runtime: str, precision: Precision
    ) -> tuple[Verdict, NDArray[np.uint8] | None]:
        gate = precision.gate
        replays: list[NDArray[np.uint8]] = []

        def place() -> str | None:
            original = self._graphs[stage]
            return locate(self._pipeline, stage, original, graph, precision, self._probes, replays[0])

        try:
            with self._open(stage, graph, runtime) as runner:
                replays = [replay(runner, self._probes, batch) for batch in REPLAY_BATCHES]
                sizes = replay_sizes(runner, self._probes)
                verdict = judge(replays, self._probes.images, gate, sizes=sizes)
                if verdict.status == "passed" and precision.element != "FLOAT":
                    others = [self._distance.figure(runner, gate)]
                    verdict = judge(replays, self._probes.images, gate, others, sizes)
                return explain(verdict, replays, self._probes, runner, place), replays[0]
        except (DeviceError, MissingExtra) as error:
            return Verdict(status="not_run", reason=str(error)), None
        except LithoError as error:
            return Verdict(status="failed", reason=str(error)), None

    def damage(self, stage: str, graph: bytes, runtime: str) -> float:
        """Mean squared error of some probes' pictures, in grey levels squared; infinite where there are none."""
        wanted = self._probes.images[:_DAMAGE_PROBES].astype(np.float64)
        few = Probes(
            {name: values[:_DAMAGE_PROBES] for name, values in self._probes.inputs.items()},
            self._probes.images[:_DAMAGE_PROBES],
        )
        try:
            with self._open(stage, graph, runtime) as runner:
                return float(np.square(replay(runner, few, _DAMAGE_PROBES) - wanted).mean())
        except LithoError:
            return float("inf")

    @contextmanager
    def _open(self, stage: str, graph: bytes, runtime: str) -> Iterator[Runner]:
        with self._pipeline.open({**self._graphs, stage: graph}, {stage: runtime}) as runner:
            yield runner
