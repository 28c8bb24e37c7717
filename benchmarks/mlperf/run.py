"""Measures a target in LoadGen's scenarios and writes `benchmarks/results/loadgen.json` with LoadGen's summaries."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from ...bundle import MANIFEST_NAME, Bundle
from ...errors import LithoError, ProofError, UnknownName, UsageError
from ...extras import require
from ...files import write_bytes
from ...parity.gate import Gate, limits
from ...reporting.markdown import markdown_table
from ...runners import Endpoint, Runner, choose_variants, open_runner
from ...runners.triton import Runner as TritonRunner
from ...serving.repository.deploy import deploy
from ...serving.server.embedded import EmbeddedServer
from ..shared.command import RESULTS, errors_of, write_document
from ..shared.machine import describe_machine
from .answering import Plan
from .documents import OFFICIAL_SECONDS, LoadgenResult, ScenarioResult
from .judgement import judge_all, judge_some
from .logs import SUMMARY_LOG
from .process import Driver, Run
from .samples import Samples
from .scenarios import Scenario, Trials, Wanted, open_scenario, scenario_names

__all__ = ["BOUND_MS", "main", "measure", "table"]

RESULT = RESULTS / "loadgen.json"

BOUND_MS = 15.0
"""Bound on the p99 of Server by default: the one that MLPerf sets for ResNet-50."""

WARMUP_SECONDS = 1.0

_NOTE = "no official MLPerf result: not one of MLPerf's models, and not reviewed by MLCommons"
_INTERRUPTED = "interrupted"
_INTERRUPTED_CODE = 130


@dataclass(frozen=True)
class _Case:
    """What is measured.

    Args:
        target: as `open_runner` takes it.
        variant: of a bundle, as it was given.
        bundle: whose probes are the samples.
        samples: of LoadGen.
        gate: of the precision that answers.
        facts: fields of the result.
        served: whether this process has started the server.
    """

    target: str
    variant: str | None
    bundle: Bundle
    samples: Samples
    gate: Gate
    facts: dict[str, Any]
    served: bool = False


def measure(  # noqa: PLR0913 - a verb; all but the target by keyword
    target: Path | str,
    *,
    bundle: Path | str | None = None,
    variant: str | None = None,
    served: bool = False,
    scenarios: Sequence[str] = (),
    seconds: float = 60.0,
    bound_ms: float = BOUND_MS,
    output: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> LoadgenResult:
    """Drive a target with MLPerf LoadGen, in performance and in accuracy mode of each scenario.

    Ctrl-C, or a target that goes away, ends the measurement; the scenarios that were measured by then are written and
    returned, and the result says why the others are missing.

    Args:
        target: a bundle, a run, or an endpoint grpc://HOST:PORT/MODEL.
        bundle: whose probes LoadGen asks for and whose pictures are compared; by default the target.
        variant: of a bundle, as `open_runner` takes it.
        served: deploy the target, a bundle, in an embedded Triton of its own, and measure that endpoint.
        scenarios: names, by default all.
        seconds: shortest length of the run of each scenario that counts.
        bound_ms: largest 99th percentile of the latency in Server, in milliseconds.
        output: file of the result; LoadGen's summaries go into the folder of its name beside it.
        progress: called with a line when something begins.

    Raises:
        UsageError: an argument does not fit the target, or LoadGen is not installed.
        ProofError: the endpoint serves other weights than the bundle's.
        EndpointError: the endpoint cannot be reached, or not one request of the first scenario succeeded.
        LithoError: LoadGen's process failed in the first scenario.
    """
    require("mlperf_loadgen", "loadgen")
    if seconds <= 0 or bound_ms <= 0:
        raise UsageError(f"seconds was given {seconds:g} and bound_ms {bound_ms:g}; both are above 0")
    chosen = _chosen(scenarios)
    if variant is not None and "://" in str(target):
        raise UsageError("a variant was given for an endpoint, which serves one; leave it out")
    wanted = Wanted(seconds, bound_ms)
    if served:
        if bundle is not None or not (Path(target) / MANIFEST_NAME).exists():
            raise UsageError(f"{target} was to be served; only a bundle can be, without --bundle")
        with _served(Path(target), variant) as endpoint:
            case = replace(_case(endpoint, target, None), served=True, variant=variant)
            return _all(case, chosen, wanted, output, progress)
    return _all(_case(target, bundle, variant), chosen, wanted, output, progress)


@contextmanager
def _served(bundle: Path, variant: str | None) -> Iterator[str]:
    """Address of a bundle that an embedded Triton serves as `litho deploy` and `litho serve` would."""
    with tempfile.TemporaryDirectory(prefix="loadgen-") as folder:
        repository = Path(folder) / "models"
        deploy(Bundle.load(bundle), to=repository, name="model", variant=variant)
        with EmbeddedServer(repository, log=Path(folder) / "server.log") as server:
            yield f"{server.grpc_url}/model"


def _all(
    case: _Case,
    chosen: Sequence[Scenario],
    wanted: Wanted,
    output: Path | None,
    progress: Callable[[str], None],
) -> LoadgenResult:
    """Measure all scenarios of a case."""
    began, seconds = datetime.now(UTC), wanted.seconds
    results: list[ScenarioResult] = []
    stopped = ""
    with tempfile.TemporaryDirectory(prefix="loadgen-") as temporary:
        try:
            for scenario in chosen:
                progress(f"{scenario.name}: at least {seconds:g} s")
                asked = replace(wanted, rate=_rate(results))
                results.append(_measured(scenario, case, asked, Path(temporary) / scenario.name))
        except (KeyboardInterrupt, LithoError) as error:
            if not results:
                raise
            stopped = str(error) or _INTERRUPTED
        result = LoadgenResult(
            **case.facts,
            seconds=seconds,
            loadgen_version=version("mlcommons_loadgen"),
            note=_NOTE + (f"; MLPerf asks for {OFFICIAL_SECONDS:g} s" if seconds < OFFICIAL_SECONDS else ""),
            command=_command(case, chosen, wanted),
            measured_at=began.isoformat(timespec="seconds"),
            machine=describe_machine(case.target if "://" in case.target else ""),
            scenarios=tuple(results),
            stopped=stopped,
        )
        if output is not None:
            _write(result, output, Path(temporary))
    return result


def _chosen(names: Sequence[str]) -> list[Scenario]:
    known = scenario_names()
    for name in names:
        if name not in known:
            raise UnknownName("scenario of LoadGen", name, known)
    return [open_scenario(name) for name in known if not names or name in names]


def _case(target: Path | str, given: Path | str | None, variant: str | None) -> _Case:
    remote = "://" in str(target)
    if remote:
        Endpoint.parse(str(target))
    is_bundle = not remote and (Path(target) / MANIFEST_NAME).exists()
    if given is None and not is_bundle:
        raise UsageError(
            f"{target} has no probes to ask for; name the bundle that it was made from with --bundle"
        )
    if given is not None and is_bundle:
        raise UsageError("--bundle was given for a target that is a bundle itself; leave it out")
    bundle = Bundle.load(Path(target if given is None else given))
    samples = Samples(bundle)
    with open_runner(target if remote else Path(target), variant) as runner:
        _refuse_another(runner, bundle)
        precision = runner.precision or "fp32"
        if runner.variant:
            precisions = {one.precision for one in choose_variants(bundle, runner.variant)}
        else:
            precisions = {precision}
        gate = limits(*precisions, sampler=bundle.manifest.sampler)
        facts = {
            "target": f"{bundle.manifest.name}, {_how(runner)}",
            "variant": runner.variant,
            "precision": precision,
            "grade": runner.grade or gate.grade,
            "kind": "endpoint" if remote else "in-process",
        }
    return _Case(str(target), variant, bundle, samples, gate, facts)


def _how(runner: Runner) -> str:
    if not isinstance(runner, TritonRunner):
        return f"in LoadGen's process by {runner.title}"
    return "served by Triton"


def _refuse_another(runner: Runner, bundle: Bundle) -> None:
    """Refuse a target that does not compute what the bundle's probes show, or that need not compute at all."""
    if sorted(field.name for field in runner.signature.inputs) != sorted(
        field.name for field in bundle.manifest.signature.inputs
    ):
        raise ProofError(f"{runner.description} takes other fields than the bundle {bundle.manifest.name}")
    if not isinstance(runner, TritonRunner):
        return
    if runner.served.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
        raise ProofError(
            f"{runner.url} serves checkpoint {runner.served.checkpoint_sha256[:12]}, the bundle was made from"
            f" {bundle.manifest.checkpoint_sha256[:12]}; name the bundle that is served"
        )
    if runner.caches:
        raise UsageError(
            f"{runner.url} keeps answers in Triton's response cache, which MLPerf forbids; deploy it without"
            " response_cache"
        )


def _rate(results: Sequence[ScenarioResult]) -> float | None:
    """Samples per second of the last scenario, from which the next one's search starts."""
    if not results or not results[-1].seconds:
        return None
    return results[-1].samples / results[-1].seconds


def _measured(scenario: Scenario, case: _Case, wanted: Wanted, folder: Path) -> ScenarioResult:
    plan = Plan(
        target=case.target,
        variant=None if case.served else case.variant,
        bundle=str(case.bundle.path),
        scenario=scenario.loadgen,
        mode="",
        settings={},
        samples_per_query=scenario.samples_per_query,
        warmup_seconds=min(WARMUP_SECONDS, wanted.seconds / 3),
        window=scenario.window,
        logs="",
    )
    driver = Driver(plan, case.samples.shape, folder)
    trials = scenario.measure(driver, wanted)
    run = trials.final
    assert run is not None, "a scenario ends with a run"
    if run.summary is not None:
        shutil.copy(run.logs / SUMMARY_LOG, folder.with_suffix(".txt"))
    everything = driver.accuracy(trials.settings)
    return _result(scenario, case, wanted, trials, run, everything)


def _result(
    scenario: Scenario, case: _Case, wanted: Wanted, trials: Trials, run: Run, everything: Run
) -> ScenarioResult:
    summary, outcome, samples = run.summary, run.outcome, case.samples
    failed = {**outcome.failed, **everything.outcome.failed}
    return ScenarioResult(
        scenario=scenario.name,
        metric=scenario.metric,
        value=scenario.value(run),
        unit=scenario.unit,
        loadgen="VALID" if summary is not None and summary.valid else "INVALID",
        loadgen_reason=outcome.stopped if summary is None else summary.reason,
        bound_ms=wanted.bound_ms if scenario.name == "server" else None,
        samples_per_query=(
            scenario.samples_per_query if summary is None else round(summary.parameters["samples_per_query"])
        ),
        samples=outcome.answered,
        seconds=outcome.seconds,
        failed=failed,
        latency_ms={} if summary is None else summary.percentiles_ms,
        client_cpu_ms=outcome.cpu_seconds * 1e3 / outcome.answered,
        under_load=judge_some(samples, run.logged, everything.logged, case.gate),
        accuracy=judge_all(samples, everything.logged, case.gate),
        trials=tuple(trials.list),
        summary_log="" if summary is None else f"{scenario.name}.txt",
    )


def _command(case: _Case, chosen: Sequence[Scenario], wanted: Wanted) -> str:
    named = case.bundle.manifest.name
    if case.served:
        target = f"{named} --served"
    else:
        target = f"grpc://HOST:PORT/{named} --bundle {named}" if "://" in case.target else named
    words = [f"python -m litho.benchmarks.mlperf {target}"]
    words += [f"--scenario {one.name}" for one in chosen if len(chosen) < len(scenario_names())]
    words += [f"--variant {case.variant}"] if case.variant else []
    return " ".join([*words, f"--seconds {wanted.seconds:g}", f"--bound-ms {wanted.bound_ms:g}"])


def _write(result: LoadgenResult, output: Path, logs: Path) -> None:
    folder = output.with_suffix("")
    for one in result.scenarios:
        if one.summary_log:
            write_bytes(folder / one.summary_log, (logs / one.summary_log).read_bytes())
    write_document(output, result)


def table(result: LoadgenResult) -> list[str]:
    """A table in Markdown, one line for each scenario."""
    rows = []
    for one in result.scenarios:
        figure = "" if one.value is None else f"{one.value:,.2f} {one.unit}"
        p99 = f"{one.latency_ms['99.00']:,.2f}" if "99.00" in one.latency_ms else ""
        checked = f"{one.under_load.pictures} + {one.accuracy.pictures}"
        said = "VALID" if one.valid else "INVALID"
        rows.append((one.scenario, said, one.metric, figure, p99, f"{one.samples:,}", checked))
    heads = ("scenario", "result", "LoadGen's figure", "value", "p99, ms", "pictures", "pictures judged")
    return markdown_table(heads, rows)


def main(  # noqa: PLR0913 - a parameter for each option
    target: Annotated[
        str, typer.Argument(help="Bundle, run, or grpc://HOST:PORT/MODEL.", show_default=False)
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(help="Bundle with the probes, where the target is none.", show_default=False),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Variant of a bundle.", show_default=False)] = None,
    served: Annotated[
        bool, typer.Option("--served", help="Serve the bundle in an embedded Triton, and measure that.")
    ] = False,
    scenario: Annotated[
        list[str] | None, typer.Option(help="single-stream, multi-stream, offline or server; by default all.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Shortest run of each scenario.")] = 60.0,
    bound_ms: Annotated[float, typer.Option(help="Bound on the p99 of Server.")] = BOUND_MS,
    output: Annotated[Path, typer.Option(help="JSON file; LoadGen's summaries go beside it.")] = RESULT,
) -> None:
    """Drive a target with MLPerf LoadGen; exit code 1 unless all is VALID and every picture right."""
    began = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.0f} s  {line}", err=True)

    with errors_of("mlperf", output):
        try:
            result = measure(
                target,
                bundle=bundle,
                variant=variant,
                served=served,
                scenarios=scenario or (),
                seconds=seconds,
                bound_ms=bound_ms,
                output=output,
                progress=tell,
            )
        except KeyboardInterrupt:
            typer.echo("mlperf: interrupted before the first scenario ended; nothing was written", err=True)
            raise typer.Exit(_INTERRUPTED_CODE) from None
    typer.echo("\n".join([*result.problems, *table(result), result.note]))
    raise typer.Exit(_INTERRUPTED_CODE if result.stopped == _INTERRUPTED else int(bool(result.problems)))
