"""What the graph passes gain: `python -m litho.benchmarks.passes`, about three minutes on a quiet machine.

A graph and what the passes made of it run in turns in this process, with one thread. The processor time of the process
counts, and not the time of day, so that other work on the machine changes little. The gain is the median over the
pairs of turns of time without over time with the passes; its interval is a bootstrap over the pairs. Written to
`results/passes.json`; docs/passes.md shows it (`make figures`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...errors import LithoError, UsageError
from ...export.fixed_inputs import fix_input
from ...export.passes import apply_passes
from ...export.passes.upsample import at_any_ratio
from ...export.timing import BATCHES, in_turns
from ...extras import require
from ...files import write_bytes
from ...runners.openvino import shared_core
from ..shared.command import RESULTS, errors_of
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from ..shared.paired import median_interval
from .documents import Gain, Gains, Runtime
from .graphs import conditional_gan, dcgan, equalised, spectral, upsampled

__all__ = ["CASES", "Case", "main", "measure"]

RESULT = RESULTS / "passes.json"

_LEAST_PAIRS, _MOST_PAIRS, _SHORTEST_S = 5, 40, 0.02


@dataclass(frozen=True)
class Case:
    """A graph, and the passes that are measured on it.

    Args:
        name: of the case.
        build: makes the graph.
        passes: applied to it; none measures the graph against itself.
        fixes_label: fix the input `label` before the passes.
        at_any_ratio: `upsample` replaces the layer whatever its ratio of channels.
        runtimes: to measure in.
    """

    name: str
    build: Callable[[], bytes]
    passes: tuple[str, ...]
    fixes_label: bool = False
    at_any_ratio: bool = False
    runtimes: tuple[Runtime, ...] = ("onnxruntime", "openvino")

    def graphs(self) -> tuple[bytes, bytes]:
        """The graph without and with the passes."""
        before = self.build()
        fixed = fix_input(before, "label", 3) if self.fixes_label else before
        with at_any_ratio() if self.at_any_ratio else nullcontext():
            return before, apply_passes(fixed, self.passes)[0]


_ALL: tuple[Runtime, ...] = ("onnxruntime", "openvino", "openvino-bf16")


def _upsample(name: str, **layer: Any) -> Case:
    return Case(name, partial(upsampled, **layer), ("upsample",))


def _ratio(name: str, channels: tuple[int, int], side: int) -> Case:
    return replace(_upsample(name, channels=channels, side=side), at_any_ratio=True, runtimes=_ALL)


CASES = (
    Case("same", partial(dcgan, 64), ()),
    Case("linear", partial(dcgan, 64), ("linear",)),
    Case("folding", partial(dcgan, 64), ("folding",)),
    Case("linear-folding", partial(dcgan, 64), ("linear", "folding")),
    Case("linear-folding-narrow", partial(dcgan, 32), ("linear", "folding")),
    Case("constants-equalised", partial(equalised, 64), ("constants",)),
    Case("constants-spectral", partial(spectral, 64), ("constants",)),
    _upsample("upsample-32-3-64", channels=(32, 3), side=32),
    _upsample("upsample-64-8-32", channels=(64, 8), side=16),
    _upsample("upsample-64-8-16", channels=(64, 8), side=8),
    _upsample("upsample-256-32-64", channels=(256, 32), side=32),
    _upsample("upsample-64-8-64-four", channels=(64, 8), side=16, kernel=5, scale=4),
    Case("label", partial(conditional_gan, 96), ("folding",), fixes_label=True),
    _ratio("ratio-64-64-64", channels=(64, 64), side=32),
    _ratio("ratio-32-32-32", channels=(32, 32), side=16),
    _ratio("ratio-32-8-64", channels=(32, 8), side=32),
    _ratio("ratio-4-8-64", channels=(4, 8), side=32),
    _ratio("ratio-64-3-64", channels=(64, 3), side=32),
    Case("subpixel", partial(dcgan, 64), ("subpixel",), runtimes=_ALL),
)
"""In the order of the tables; sides in names are those after the upsampling."""


def measure(
    cases: Sequence[Case] = CASES,
    *,
    batches: Sequence[int] = BATCHES,
    seconds: float = 0.8,
    progress: Callable[[str], None] = lambda line: None,
) -> Gains:
    """Measure the gain of passes.

    Args:
        cases: graphs and passes.
        batches: pictures at a time.
        seconds: for one case in one runtime at one batch; slow graphs take longer, for five pairs.
        progress: called with one line for each case.

    Raises:
        UsageError: seconds is not positive.
    """
    if not seconds > 0:
        raise UsageError(f"seconds was given {seconds}; it takes a positive number")
    start, gains, failures = time.perf_counter(), list[Gain](), dict[str, str]()
    for case in cases:
        graphs = case.graphs()
        for runtime in case.runtimes:
            try:
                gains += _gains(case.name, runtime, graphs, batches, seconds)
            except LithoError as error:
                failures[f"{case.name}, {runtime}"] = str(error)
        progress(case.name)
    return Gains(
        gains=tuple(gains),
        failures=failures,
        machine=describe_machine(),
        measured_at=utc_now(),
        command="python -m litho.benchmarks.passes",
        seconds=round(time.perf_counter() - start, 1),
    )


def _gains(
    case: str, runtime: Runtime, graphs: tuple[bytes, bytes], batches: Sequence[int], seconds: float
) -> Iterator[Gain]:
    without, with_passes = (_open(graph, runtime) for graph in graphs)
    for batch in batches:
        times = {
            "without": partial(_turn, without, batch),
            "with": partial(_turn, with_passes, batch),
        }
        for turn in times.values():  # warm-up: memory is allocated, and kernels are chosen
            turn()
        ratios: list[float] = []
        start = time.perf_counter()
        for pair in islice(in_turns(times, alternate=True), _MOST_PAIRS):
            ratios.append(pair["without"] / pair["with"])
            if len(ratios) >= _LEAST_PAIRS and time.perf_counter() - start >= seconds:
                break
        low, high = median_interval(ratios)
        ratio = float(np.median(ratios))
        yield Gain(
            case=case, runtime=runtime, batch=batch, ratio=ratio, low=low, high=high, pairs=len(ratios)
        )


def _turn(run: Callable[[int], None], batch: int) -> float:
    """Processor seconds of one call: the mean of as many as fill the shortest turn."""
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < _SHORTEST_S:
        run(batch)
        calls += 1
    return spent / calls


def _open(graph: bytes, runtime: Runtime) -> Callable[[int], None]:
    """Open a graph with one thread; the result runs it once on a batch of normal noise.

    Raises:
        LithoError: the runtime is missing, refuses the graph, or has no BF16 on this processor.
    """
    try:
        names, call = _onnxruntime(graph) if runtime == "onnxruntime" else _openvino(graph, runtime)
    except LithoError:
        raise
    except Exception as error:
        raise LithoError(f"{runtime} refuses the graph: {str(error).strip().splitlines()[-1]}") from error
    random = np.random.default_rng(0)
    ready: dict[int, dict[str, NDArray[Any]]] = {}

    def run(batch: int) -> None:
        if batch not in ready:
            ready[batch] = {
                name: random.standard_normal((batch, *shape), np.float32)
                if shape
                else np.zeros(batch, np.int64)
                for name, shape in names.items()
            }
        call(ready[batch])

    return run


_Opened = tuple[dict[str, tuple[int, ...]], Callable[[dict[str, NDArray[Any]]], Any]]
"""Name of an input -> its shape without the batch; and a call."""


def _onnxruntime(graph: bytes) -> _Opened:
    runtime = require("onnxruntime", "cpu")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    shapes = {one.name: tuple(one.shape[1:]) for one in session.get_inputs()}
    return shapes, partial(session.run, None)


def _openvino(graph: bytes, runtime: Runtime) -> _Opened:
    core = shared_core()
    bf16 = runtime == "openvino-bf16"
    if bf16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise LithoError("this processor has no BF16")
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }
    compiled = core.compile_model(core.read_model(graph), "CPU", hints)
    request = compiled.create_infer_request()
    shapes = {
        port.get_any_name(): tuple(extent.get_length() for extent in list(port.get_partial_shape())[1:])
        for port in compiled.inputs
    }
    return shapes, partial(request.infer, share_inputs=True)


def main(
    seconds: Annotated[
        float, typer.Option(help="For one graph in one runtime at one batch; fewer than five pairs never.")
    ] = 0.8,
    to: Annotated[Path, typer.Option(help="File of the result.")] = RESULT,
) -> None:
    """Measure what the graph passes gain."""
    with errors_of("passes"):
        gains = measure(seconds=seconds, progress=typer.echo)
    for what, why in gains.failures.items():
        typer.echo(f"not measured: {what}: {why}")
    write_bytes(to, gains.model_dump_json(indent=1) + "\n")
    typer.echo(f"{len(gains.gains)} gains in {gains.seconds:.0f} s: {to}")
