"""The replay that every graph of a generator is judged by, in the runtime that is to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Verdict
from ...bundle.probes import Probes
from ...errors import DeviceError, LithoError, MissingExtra
from ...parity.failure_modes import explain
from ...parity.gate import judge, replay, replay_sizes
from ..pipeline import Pipeline
from ..precisions import Precision
from .distance import Distance
from .locate import locate
from .make_probes import PROBE_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...runners.base import Runner

__all__ = ["Proof"]

REPLAY_BATCHES = (PROBE_COUNT, 1, 7)
"""The gate replays the probes together, alone, and in uneven parts."""

_ERROR_PROBES = 16


class Proof:
    """Judges a graph of one stage; the others run as their FP32 variants in ONNX Runtime.

    Args:
        pipeline: of the generator.
        graphs: stage -> its graph, as it was exported.
        probes: with PyTorch's pictures.
        distance: of sets of pictures.
        other_stages: stage -> its FP32 variant, as which it runs beside another stage; by default as it was exported.
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
        self._known: dict[tuple[str, ...], tuple[Verdict, NDArray[np.uint8] | None]] = {}

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
        whole = self._whole(stage, graph, runtime, precision)
        if whole in self._known:
            return self._known[whole]
        if (stage, *whole) not in self._known:
            judged = self._judge(stage, graph, runtime, precision)
            # What passes does so for every stage of the whole; why something fails is asked of each.
            self._known[whole if judged[0].status == "passed" else (stage, *whole)] = judged
        return self._known[whole if whole in self._known else (stage, *whole)]

    def _whole(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> tuple[str, ...]:
        """All graphs that run, each by its hash, with their runtimes and the limits: equal ones have one verdict."""
        composed = {name: ("onnxruntime", other) for name, other in self._other_stages.items()}
        composed[stage] = (runtime, graph)
        parts = (
            f"{name} {where} {hashlib.sha256(one).hexdigest()}" for name, (where, one) in composed.items()
        )
        return (*parts, precision.name)

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

    def squared_error(self, stage: str, graph: bytes, runtime: str) -> float:
        """Mean squared error of some probes' pictures, in grey levels squared; infinite where there are none."""
        wanted = self._probes.images[:_ERROR_PROBES].astype(np.float64)
        few = self._probes.first(_ERROR_PROBES)
        try:
            with self._open(stage, graph, runtime) as runner:
                return float(np.square(replay(runner, few, _ERROR_PROBES) - wanted).mean())
        except LithoError:
            return float("inf")

    @contextmanager
    def _open(self, stage: str, graph: bytes, runtime: str) -> Iterator[Runner]:
        with self._pipeline.open({**self._other_stages, stage: graph}, {stage: runtime}) as runner:
            yield runner
