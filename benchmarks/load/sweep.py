"""`bench`: measure a runner under a range of loads, compare it with another runner, write the results."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ... import interrupts
from ...bundle import MANIFEST_NAME, Bundle
from ...errors import LithoError, UsageError
from ...files import check_folder
from ...reporting.progress import Progress, quiet
from ...runners import Runner
from ...signature.noise import MAX_SEED
from ..roofline.served import ServedRoofline, ServedStage, measure_ceilings, roofline_of, stages_of
from ..shared.environment import describe_environment, utc_now
from ..shared.machine import Machine, describe_machine
from ..shared.targets import Target, address_of, opened, runs_elsewhere, target_name
from .documents.cost import price_of
from .documents.measurement import Measurement
from .documents.result import BenchResult, Comparison, Method, SoakResult
from .documents.windows import Load, Point
from .measuring.gauge import gauge_of
from .measuring.in_flight import overlaps
from .measuring.loads import choose_loads
from .measuring.meter import Meter
from .measuring.mix import Mix
from .measuring.references import reference_of
from .measuring.requests import Requests
from .measuring.server_process import server_process
from .measuring.soak import soak
from .page.page import require_report, write_result
from .scenarios import Scenario, open_scenario
from .session import Side, Stopped, Turns, another_seed, compare_sides, points_of, sweep, variant_facts

__all__ = ["bench"]


def bench(  # noqa: PLR0913
    target: Target,
    *,
    variant: str | None = None,
    device: str = "cpu",
    against: Target | None = None,
    against_variant: str | None = None,
    at_least: float | None = None,
    concurrency: Sequence[int] | None = None,
    rate: Sequence[float] | None = None,
    batch: Sequence[int] | None = None,
    seconds: float = 60.0,
    rounds: int = 3,
    pairs: int = 9,
    scenario: str = "closed-loop",
    trace: Path | None = None,
    mix: str | None = None,
    http: str | None = None,
    preview_every: int = 0,
    bundle: Path | Bundle | None = None,
    quality: bool = True,
    slo_ms: float | None = None,
    price: str | None = None,
    stall_seconds: float = 60.0,
    soak_requests: int | None = None,
    roofline: bool = False,
    server_process_id: int | None = None,
    output: Path | None = None,
    progress: Progress = quiet,
) -> BenchResult:
    """Measure latency and throughput of a runner under a range of loads.

        >>> result = bench_model("bundles/digits", batch=[1, 8], seconds=1.0)
        >>> [point.load.batch for point in result.points]
        [1, 8]
        >>> result.best.images_per_second > 0, result.best.quality.wrong
        (True, 0)

    Every combination of concurrency and batch is a load. The loads take turns for `rounds` rounds, so that a machine
    that slows down meanwhile slows all loads alike. Each turn starts with a warm-up, a fifth of its time.

    Args:
        target: an open runner, or any target of `open_runner`.
        variant: of a target that is a bundle, as `runners.choose_variants` takes it.
        device: on which a bundle or a run computes, as `open_runner` takes it; of `against` too.
        against: another runner, measured in turns with the target at the target's last load; a runner without a
            transport gets the mean batch that the target's server formed under that load.
        against_variant: of `against`, if that is a bundle.
        at_least: smallest median ratio of throughputs that passes, see `Comparison.passed`; needs `against`.
        concurrency: requests in flight; by default 1 to 32 at an endpoint. A runner in this process takes only 1.
        rate: requests per second, for a scenario with a schedule.
        batch: images in a request; by default 1 at an endpoint, 1 to 32 in this process.
        seconds: length of sweep and comparison together, warm-ups included. A turn takes longer until as many
            requests have ended as are in flight.
        rounds: windows of each load; 3 or more show whether the figures are stable.
        pairs: windows of each side of the comparison.
        scenario: how requests arrive.
        trace: CSV file of a recorded load, for the scenario "trace".
        mix: kinds of requests, such as "steps=4,n=2:3;steps=20", each with its share after the colon.
        http: HOST:PORT of the endpoint's HTTP, which is used in place of gRPC.
        preview_every: steps between two previews of a model that streams; 0 for none.
        bundle: that the target was deployed from; pictures returned under load are checked against its probes. By
            default it is looked for in the repository of a server on this machine, see `references.reference_of`.
        quality: whether pictures are checked at all.
        slo_ms: bound on latency, in milliseconds: throughput within it is given as goodput.
        price: of an hour of this machine, or the path of a table of prices, see `cost.price_of`.
        stall_seconds: longest wait for any answer before the endpoint counts as dead.
        soak_requests: afterwards watch memory during this many requests, see `soak`.
        roofline: afterwards measure for a few seconds what this machine allows the variant, and give the share that
            each load reached; needs the variant's bundle, and a server on this machine.
        server_process_id: of the server on this machine; by default found by its port.
        output: directory for `bench.json`, `bench.html` and `bench.png`.
        progress: called with the step and the share that is done, in [0, 1].

    Raises:
        UsageError: a load, count or target is not allowed, or an argument would be ignored.
        MissingExtra: a package that `output` or `soak_requests` needs is not installed.
        Stopped: Ctrl-C, no request succeeded under some load, or the endpoint went away; it has the result of what was
            measured before, which is in `output` too.
    """
    if output is not None:
        require_report()
        check_folder(output, "--output")
    _check_combination(target, against, device=device, at_least=at_least)
    if roofline and mix is not None:
        raise UsageError("--roofline counts the work of default requests, which --mix changes; leave one out")
    _check(seconds=seconds, rounds=rounds, pairs=pairs, slo_ms=slo_ms)
    measured_at, environment = utc_now(), describe_environment()
    first_seed = secrets.randbelow(MAX_SEED)
    with ExitStack() as stack:
        runner, cold_start = _opened(stack, target, variant, "variant", device)
        arrivals = open_scenario(scenario, trace)
        loads = choose_loads(runner, arrivals, concurrency=concurrency, rate=rate, batch=batch)
        machine = describe_machine(address_of(runner))
        priced = None if price is None else price_of(price, machine)
        how = _How(mix, preview_every, stall_seconds, quality, seconds / 10, server_process_id)
        other = None
        if against is not None:
            second, _ = _opened(stack, against, against_variant, "against_variant", device)
            _check_comparable(runner, second, arrivals)
            other = how.side(
                second, _bundle_of(against), open_scenario("closed-loop"), another_seed(first_seed)
            )
        side = how.side(runner, bundle or _bundle_of(target), arrivals, first_seed, http)
        stages = _stages(side, machine) if roofline else ()
        turns = Turns(seconds, len(loads) * rounds + (2 * pairs if other else 0), progress)
        found = _measure(
            turns, side, other, _Wanted(tuple(loads), rounds, pairs, slo_ms, at_least, soak_requests)
        )
        result = BenchResult(
            target=target_name(target),
            runner=runner.description,
            variant=runner.variant,
            precision=runner.precision,
            grade=runner.grade,
            kind="endpoint" if overlaps(runner) else "in-process",
            measured_at=measured_at,
            machine=machine,
            method=Method(
                scenario=scenario,
                rounds=rounds,
                warmup_seconds=turns.warmup_seconds,
                window_seconds=turns.window_seconds,
                first_seed=first_seed,
            ),
            points=found.points,
            comparison=found.comparison,
            soak=found.soak,
            environment=environment,
            complete=found.stopped is None,
            stopped=f"stopped before it was complete: {found.stopped}" if found.stopped else "",
            cold_start_seconds=cold_start,
            **variant_facts(side.reference, runner),
        )
    if priced is not None and result.best is not None:
        result = result.model_copy(update={"cost": priced.at(result.best.images_per_second)})
    if stages and found.stopped is None:
        progress("measuring the machine", 1.0)
        result = result.model_copy(update={"roofline": _roofline(stages, result.points)})
    if output is not None:
        write_result(result, output)
    if found.stopped is not None:
        raise Stopped(str(found.stopped), result, found.stopped.exit_code)
    return result


def _stages(side: Side, machine: Machine) -> tuple[ServedStage, ...]:
    """The stages whose roofline is asked for, before anything is measured.

    Raises:
        UsageError: it cannot be given for this target.
    """
    endpoint = address_of(side.runner)
    if machine.gpus:
        raise UsageError("--roofline measures the CPU, and this machine has a GPU; leave it out")
    if endpoint and not (side.server_process_id or server_process(endpoint)):
        raise UsageError(
            f"--roofline measures this machine, and {endpoint} is not served on it; leave it out, or run it there"
        )
    bundle = None if side.reference is None else side.reference.bundle
    if bundle is None:
        raise UsageError("--roofline counts the work from a bundle's graphs; give the bundle with --bundle")
    return stages_of(bundle, side.runner.variant)


def _roofline(stages: Sequence[ServedStage], points: Sequence[Point]) -> ServedRoofline:
    """What this machine allows, and the share that each point reached with the batches that were formed."""
    formed = [
        point.server.mean_batch if point.server and point.server.executions else point.load.batch
        for point in points
    ]
    loads = [
        (point.images_per_second, max(1, round(batch))) for point, batch in zip(points, formed, strict=True)
    ]
    return roofline_of(stages, measure_ceilings(stages), loads)


@dataclass(frozen=True)
class _Wanted:
    """What is to be measured.

    Args:
        loads: in this order.
        rounds: windows of each.
        pairs: windows of each side of the comparison.
        slo_ms: bound on latency.
        at_least: smallest median ratio.
        soak_requests: of the soak; None for none.
    """

    loads: tuple[Load, ...]
    rounds: int
    pairs: int
    slo_ms: float | None
    at_least: float | None
    soak_requests: int | None


@dataclass
class _Found:
    """What was measured until then."""

    points: tuple[Point, ...] = ()
    comparison: Comparison | None = None
    soak: SoakResult | None = None
    stopped: Stopped | None = None


def _measure(turns: Turns, side: Side, other: Side | None, wanted: _Wanted) -> _Found:
    found, measured = _Found(), dict[Load, list[Measurement]]((load, []) for load in wanted.loads)
    try:
        found.points = sweep(turns, side, measured, wanted.rounds, wanted.slo_ms)
        if other is not None:
            compared = compare_sides(turns, side, other, found.points[-1], wanted.pairs)
            found.comparison = compared.model_copy(update={"at_least": wanted.at_least})
        if wanted.soak_requests is not None:
            in_flight = max(load.concurrency for load in wanted.loads)
            found.soak = soak(
                side.runner,
                wanted.soak_requests,
                in_flight,
                server_process_id=side.server_process_id,
                progress=turns.progress,
            )
    except (KeyboardInterrupt, LithoError) as error:
        interrupts.taken()
        found.stopped = Stopped.by(error)
        found.points = found.points or points_of(side, measured, wanted.slo_ms)
        if not found.points and isinstance(error, LithoError):
            raise
        if not found.points:
            raise found.stopped from None
    return found


@dataclass(frozen=True)
class _How:
    """How sides are measured.

    Args:
        mix: kinds of requests, in words.
        preview_every: steps between two previews.
        stall_seconds: longest wait for any answer.
        quality: whether pictures are checked.
        alone_seconds: time for pictures that are asked alone.
        server_process_id: of the measured server; None to find it by its port.
    """

    mix: str | None
    preview_every: int
    stall_seconds: float
    quality: bool
    alone_seconds: float
    server_process_id: int | None

    def side(
        self,
        runner: Runner,
        bundle: Path | Bundle | None,
        scenario: Scenario,
        seed: int,
        http: str | None = None,
    ) -> Side:
        """A side, with the right pictures of it."""
        meter = Meter(
            runner,
            Requests(runner.signature, seed),
            scenario,
            http=http,
            mix=None if self.mix is None else Mix.parse(self.mix),
            preview_every=self.preview_every,
            stall_seconds=self.stall_seconds,
        )
        reference = reference_of(runner, bundle, self.alone_seconds) if self.quality else None
        gauge = gauge_of(address_of(runner), self.server_process_id)
        return Side(runner, meter, reference, gauge, self.server_process_id)


def _opened(
    stack: ExitStack, target: Target, variant: str | None, option: str, device: str
) -> tuple[Runner, float | None]:
    """The runner of a target, and the time to its first picture, where it was opened here and computes here."""
    if variant is not None and (isinstance(target, Runner) or _bundle_of(target) is None):
        raise UsageError(
            f"{option} was given {variant!r}, but {target_name(target)} is no bundle and has only one; leave it out"
        )
    start = time.perf_counter()
    where = "cpu" if runs_elsewhere(target) else device
    runner = stack.enter_context(opened(target, variant, where))
    if isinstance(target, Runner) or overlaps(runner):
        return runner, None
    runner.run(runner.signature.example(1))
    return runner, time.perf_counter() - start


def _bundle_of(target: Target) -> Path | Bundle | None:
    """The bundle that a target is, if it is one."""
    if isinstance(target, Bundle):
        return target
    if isinstance(target, Runner) or "://" in str(target):
        return None
    return Path(target) if (Path(target) / MANIFEST_NAME).exists() else None


def _check_combination(
    target: Target, against: Target | None, *, device: str, at_least: float | None
) -> None:
    """Refuse arguments that would be ignored."""
    if device != "cpu" and runs_elsewhere(target) and (against is None or runs_elsewhere(against)):
        raise UsageError(
            f"device was given {device!r}, but {target_name(target)} computes where it was started; leave it out"
        )
    if at_least is not None and against is None:
        raise UsageError(
            f"at_least={at_least:g} has nothing to compare with; give a runner to measure against"
        )


def _check(*, seconds: float, rounds: int, pairs: int, slo_ms: float | None) -> None:
    if slo_ms is not None and not 0 < slo_ms < float("inf"):
        raise UsageError(f"slo_ms was given {slo_ms:g}; it takes a number of milliseconds above 0")
    if not 0 < seconds < float("inf"):
        raise UsageError(f"seconds was given {seconds}; it takes a positive number")
    for name, value in (("rounds", rounds), ("pairs", pairs)):
        if value < 1:
            raise UsageError(f"{name} was given {value}; it takes 1 or more")


def _check_comparable(runner: Runner, other: Runner, arrivals: Scenario) -> None:
    if arrivals.rated:
        raise UsageError(
            f"--against compares throughput, which --scenario {arrivals.name} fixes; use --scenario closed-loop"
        )
    if other.signature.output != runner.signature.output:
        raise UsageError(
            f"{runner.description} gives {runner.signature.output.allowed}, {other.description} gives"
            f" {other.signature.output.allowed}; compare two runners of the same generator"
        )
