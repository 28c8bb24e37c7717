"""Prove each graph of a generator in the runtime that is to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Figure
from ...bundle.probes import Probes
from ...errors import LithoError, RuntimeCrash
from ...parity.gate import Gate
from ...parity.replay import Outcome, make, picture_count, prove, replay, served_batches
from ...runners._graph_options import OPTIMIZATION, graph_option, with_graph_option
from ...runners.base import Runner, runner_class
from ...signature.fields import condition_field
from ..graph import COMPLEX, complex_cause
from ..pipeline import Pipeline
from ..precisions import Precision
from ..precisions.base import SWITCH
from .distance import Distance
from .locate import locate

__all__ = ["Judged", "Proof"]

_ERROR_PROBES = 4
"""Fewest probes that the error of a layer is measured with, which do for large pictures and for much arithmetic; of
other pictures it is 16."""


@dataclass(frozen=True, kw_only=True)
class Judged(Outcome):
    """The outcome for a graph.

    Args:
        graph: the graph as it was run. If its runtime could run it only with less optimisation, its metadata says so.
    """

    graph: bytes


class _Counted(Runner):
    """Runs a runner and counts its pictures.

    Args:
        runner: makes the pictures.
        count: called after each run with its number of pictures.
    """

    name = "counted"

    def __init__(self, runner: Runner, count: Callable[[int], None]) -> None:
        super().__init__(runner.signature, runner.description)
        self._runner, self._count = runner, count
        self.max_batch_size = runner.max_batch_size

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        pictures = self._runner.run(inputs, check=False)[self.signature.output.name]
        self._count(len(pictures))
        return pictures

    def close(self) -> None:
        """Close the runner."""
        self._runner.close()


class Proof:
    """Judges graphs of single stages; the other stages run as their FP32 variants in ONNX Runtime.

    Args:
        pipeline: of the generator.
        graphs: stage -> its graph, as it was exported.
        probes: with PyTorch's pictures.
        distance: Fréchet distance between sets of pictures.
        other_stages: stage -> its FP32 variant, which runs while another stage is judged; default: `graphs`.
        slow: whether a picture takes so much arithmetic that errors of layers are measured with as few as possible.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        graphs: Mapping[str, bytes],
        probes: Probes,
        distance: Distance,
        other_stages: Mapping[str, bytes] | None = None,
        *,
        slow: bool = False,
    ) -> None:
        self._pipeline, self._graphs, self._other_stages = pipeline, graphs, other_stages or graphs
        self._probes, self._distance = probes, distance
        self._error_probes = _ERROR_PROBES if slow else max(_ERROR_PROBES, pipeline.signature.at_once // 4)
        self._known: dict[tuple[str, ...], Judged] = {}
        self._settled: dict[str, bytes] | None = None
        self._last_level: dict[tuple[str, str], str] = {}
        self._made = self._to_make = 0
        self.progress: Callable[[float], None] = lambda share: None
        """Called while a graph is judged with the share of its pictures that is made, 0 to 1."""

    def judge(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> Judged:
        """The verdict on a graph in a runtime, and its pictures of the probes.

        If the runtime crashes, or fails to open or run the graph, it is tried with less and less optimisation.

        Args:
            stage: name of the graph's stage.
            graph: content of its ONNX file, as the runtime takes it.
            runtime: name of a runner of graphs.
            precision: its gate holds the limits.
        """
        whole = self._whole(stage, graph, runtime, precision)
        if (stage, *whole) not in self._known:
            if whole in self._known:
                # A pass holds for every stage of the whole; the cause of a failure is looked for in each stage.
                judged = replace(self._known[whole], graph=(self._settled or self._other_stages)[stage])
            else:
                judged = self._judge(stage, graph, runtime, precision)
            self._known[stage, *whole] = judged
            if judged.verdict.status == "passed":
                self._known[whole] = judged
        return self._known[stage, *whole]

    def count(self, pictures: int) -> None:
        """Count pictures that were made for the graph that is being judged."""
        self._made += pictures
        if self._to_make:
            self.progress(min(1.0, self._made / self._to_make))

    @property
    def batches(self) -> tuple[int, int, int]:
        """Smallest, preferred and largest batch that a variant is proven with and made for."""
        return served_batches(self._pipeline.signature)

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

    def _judge(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> Judged:
        first: Judged | None = None
        for made in self._with_less_optimisation(stage, graph, runtime):
            outcome = self._prove(stage, made, runtime, precision)
            judged = Judged(outcome.verdict, outcome.pictures, outcome.error, graph=made)
            if outcome.error is None:
                return judged
            first = first or judged
            if isinstance(outcome.error, RuntimeCrash) and outcome.error.hung:
                break  # it would take as long again at every level
        assert first is not None, "the graph as it is was tried"
        return first

    def _prove(self, stage: str, graph: bytes, runtime: str, precision: Precision) -> Outcome:
        gate = self.limits(precision)

        def measure(runner: Runner) -> list[Figure]:
            return self._distance.figures(runner, precision, gate)

        def layer(pictures: NDArray[np.uint8]) -> str | None:
            graphs = self._graphs[stage], graph
            return locate(self._pipeline, stage, graphs, precision, self._probes, pictures)

        def opens() -> Runner:
            return _Counted(self.open(stage, graph, runtime), self.count)

        self._made, self._to_make = 0, picture_count(self._pipeline.signature, self._probes)
        if precision.element != "FLOAT":
            self._to_make += self._distance.to_make
        outcome = prove(opens, self._probes, gate, measure=measure, locate=layer)
        self._to_make = 0
        verdict, part = outcome.verdict, graph_option(self._graphs[stage], COMPLEX)
        if verdict.status == "passed" or part is None:
            return outcome
        reason = f"{verdict.reason}; {complex_cause(part)}"
        return replace(outcome, verdict=verdict.model_copy(update={"reason": reason}))

    def settled(self) -> Mapping[str, bytes]:
        """Stage -> its FP32 variant, for the highest level of ONNX Runtime's optimisation at which it runs."""
        if self._settled is None:
            self._settled = {name: self._settle(name, other) for name, other in self._other_stages.items()}
        return self._settled

    def _with_less_optimisation(self, stage: str, graph: bytes, runtime: str) -> Iterator[bytes]:
        """The graph, then the same graph for ever lower levels of the runtime's optimisation."""
        yield graph
        if len(self._other_stages) > 1 and self._settled is None and self.settled() != self._other_stages:
            yield graph  # another stage was the cause
        for level in runner_class(runtime).levels:
            self._last_level[stage, runtime] = level
            yield with_graph_option(graph, OPTIMIZATION, level)

    def _settle(self, stage: str, graph: bytes) -> bytes:
        """A stage's FP32 graph for the highest level of optimisation at which it runs by itself."""
        _, signature = self._pipeline.stages[stage]
        alone = replace(self._pipeline, stages={stage: self._pipeline.stages[stage]}, sampler=None)
        levels = runner_class("onnxruntime").levels
        for made in (graph, *(with_graph_option(graph, OPTIMIZATION, level) for level in levels)):
            try:
                with alone.open({stage: made}) as runner:
                    runner.run(signature.example(2), check=False)
                return made
            except LithoError:
                continue
        return graph

    def squared_error(self, stage: str, graph: bytes, runtime: str) -> float:
        """Mean squared error of the first probes' pictures, in squared grey levels; infinite if the graph fails."""
        count = self._error_probes
        wanted, few = self._probes.images[:count].astype(np.float64), self._probes.first(count)
        level = self._last_level.get((stage, runtime))
        try:
            with self.open(
                stage, graph if level is None else with_graph_option(graph, OPTIMIZATION, level), runtime
            ) as runner:
                return float(np.square(replay(runner, few, count) - wanted).mean())
        except LithoError:
            return float("inf")

    def squared_errors(
        self, stage: str, graph: bytes, count: int, measured: Callable[[], None] = lambda: None
    ) -> list[float] | None:
        """`squared_error` of each layer of a graph of `Precision.switched`, which is opened once.

        Args:
            stage: name of the graph's stage.
            graph: content of its ONNX file, for ONNX Runtime.
            count: number of the layers.
            measured: called before each layer.

        Returns:
            The error with each layer lowered by itself; None of a generator of several stages, whose other stages
            know nothing of the further input, and of a graph that ONNX Runtime does not run.
        """
        if self._pipeline.sampler is not None or len(self._pipeline.stages) > 1:
            return None
        few = self._probes.first(self._error_probes)
        wanted = few.images.astype(np.float64)
        module, signature = self._pipeline.stages[stage]
        switch = condition_field(SWITCH, ())
        inputs = (*signature.inputs, switch)
        wider = replace(
            self._pipeline, stages={stage: (module, signature.model_copy(update={"inputs": inputs}))}
        )
        level = self._last_level.get((stage, "onnxruntime"))
        found: list[float] = []
        try:
            with wider.open(
                {stage: graph if level is None else with_graph_option(graph, OPTIMIZATION, level)}
            ) as runner:
                for number in range(count):
                    measured()
                    chosen = {SWITCH: np.full(len(wanted), number, np.float32)}
                    images = make(runner, {**few.inputs, **chosen}, len(wanted), few.strided)
                    found.append(float(np.square(images - wanted).mean()))
        except LithoError:
            return None
        return found

    def open(self, stage: str, graph: bytes, runtime: str) -> Runner:
        """Open the whole generator with this graph in it; the other stages are FP32 in ONNX Runtime.

        Raises:
            RuntimeCrash: a runtime crashed or hung.
            LithoError: a runtime refuses a graph.
        """
        return self._pipeline.open({**(self._settled or self._other_stages), stage: graph}, {stage: runtime})
