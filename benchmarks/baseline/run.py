"""Ratios that hardly depend on the machine, against stored ones: `python -m litho.benchmarks.baseline BUNDLE`.

Times differ from machine to machine, and so continuous integration cannot compare them with stored times. What litho
adds to a bare session of ONNX Runtime on the same graph can be compared: both are timed in turns in this process. It
fails if all of a ratio's 95 % interval is below the stored one by more than the tolerance. `--store` writes the ratios
to `results/baseline.json` instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ...bundle import Bundle
from ...bundle.json_documents import read_as
from ...errors import LithoError
from ...export.timing import in_turns
from ...extras import require
from ...runners import open_runner
from ...runners.base import thread_count
from ..load.comparison.effect import Effect
from ..shared.command import RESULTS, errors_of, write_document
from ..shared.machine import describe_machine
from .documents import SCHEMA_VERSION, TOLERANCE, Baseline, beyond, table

__all__ = ["main", "measure"]

RESULT = RESULTS / "baseline.json"
BATCHES = (1, 8, 32)
PAIRS = 21
SECONDS = 0.1
_GRAPH = "graphs/generator.fp32.onnx"


def measure(path: Path, *, pairs: int = PAIRS, seconds: float = SECONDS) -> Baseline:
    """Time litho's runner and a bare session of the same graph in turns, at each batch.

    Args:
        path: of a bundle with a graph `generator.fp32.onnx`.
        pairs: turns of each.
        seconds: length of a turn.

    Raises:
        LithoError: the bundle is damaged, or has no such graph.
    """
    runtime = require("onnxruntime", "cpu")
    bundle = Bundle.load(path)
    if _GRAPH not in bundle.manifest.files:
        raise LithoError(f"{path} has no {_GRAPH}; give a bundle of one stage with a graph in FP32")
    with open_runner(bundle, "generator.fp32.onnx") as runner:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = thread_count(None)
        # As the runner sets it: threads that spin take the processor from whoever has the next turn.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = runtime.InferenceSession(
            (bundle.path / _GRAPH).read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        output = runner.signature.output.name
        ratios = {}
        for batch in BATCHES:
            inputs: Mapping[str, Any] = runner.signature.example(batch)
            calls: dict[str, Callable[[], Any]] = {
                "runner": lambda inputs=inputs: runner.run(inputs),
                "session": lambda inputs=inputs: session.run([output], inputs),
            }
            ratios[f"runner / session, batch {batch}"] = _compared(calls, pairs, seconds)
    return Baseline(bundle=bundle.manifest.name, ratios=ratios, machine=describe_machine())


def _compared(calls: Mapping[str, Callable[[], Any]], pairs: int, seconds: float) -> Effect:
    turns = {name: lambda call=call: _calls_per_second(call, seconds) for name, call in calls.items()}
    rounds = islice(in_turns(turns, alternate=True), 1, pairs + 1)  # the first one warms up
    return Effect.of([[one["runner"] / one["session"] for one in rounds]], TOLERANCE)


def _calls_per_second(call: Callable[[], Any], seconds: float) -> float:
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds or not done:
        call()
        done += 1
    return done / passed


def main(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Of one stage.", show_default=False)],
    store: Annotated[bool, typer.Option("--store", help="Write the ratios; compare nothing.")] = False,
    output: Annotated[Path, typer.Option(help="JSON file of the stored ratios.")] = RESULT,
    pairs: Annotated[int, typer.Option(min=2, help="Turns of each at each batch.")] = PAIRS,
    seconds: Annotated[float, typer.Option(help="Length of a turn.")] = SECONDS,
) -> None:
    """Compare ratios with the stored ones; exit code 1 if one is worse."""
    with errors_of("baseline", output if store else None):
        stored = None
        if not store:
            stored = read_as(Baseline, "a baseline", output.parent, output.name, SCHEMA_VERSION)
        now = measure(path, pairs=pairs, seconds=seconds)
    typer.echo("\n".join(table(now, stored)))
    if stored is None:
        write_document(output, now)
        return
    if worse := beyond(now, stored):
        typer.echo(
            f"baseline: error: slower than before by more than {TOLERANCE:.0%}: {'; '.join(worse)}", err=True
        )
        raise typer.Exit(1)
