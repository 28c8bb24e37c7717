"""`bench`: measure a runner under a range of loads, compare it with another runner, write the results."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import UsageError
from ...files import check_folder
from ...reporting.progress import Progress, quiet
from ...runners import Runner
from ...signature.noise import MAX_SEED
from ..environment import describe_environment
from ..machine import describe_machine
from ..targets import Target, address_of, opened, target_name
from .compare import compare
from .documents import BenchResult, Comparison, Method
from .in_flight import overlaps
from .loads import choose_loads
from .measurement import Measurement
from .meter import Meter
from .mix import Mix
from .page import require_report, write_result
from .requests import Requests
from .scenarios import open_scenario
from .soak import soak
from .windows import Load, Point, Window

__all__ = ["bench"]

WARMUP_SHARE = 0.2
"""Share of each turn that is warm-up."""


def bench(  # noqa: PLR0913
    target: Target,
    *,
    variant: str | None = None,
    against: Target | None = None,
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
    soak_requests: int | None = None,
    server_process_id: int | None = None,
    output: Path | None = None,
    progress: Progress = quiet,
) -> BenchResult:
    """Measure latency and throughput of a runner under a range of loads.

        >>> result = bench_model("bundles/digits", batch=[1, 8], seconds=1.0)
        >>> [point.load.batch for point in result.points]
        [1, 8]
        >>> result.best.images_per_second > 0
        True

    Every combination of concurrency and batch is a load. The loads take turns for `rounds` rounds, so that a machine
    that slows down meanwhile slows all loads alike. Each turn starts with a warm-up, a fifth of its time.

    Args:
        target: an open runner, or any target of `open_runner`.
        variant: of a target that is a bundle, as `runners.choose_variants` takes it.
        against: another runner, measured in turns with the target at the target's last load; a runner without a
            transport gets the mean batch that the target's server formed under that load.
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
        soak_requests: afterwards watch memory during this many requests, see `soak`.
        server_process_id: of the server on this machine; by default found by its port.
        output: directory for `bench.json` and `bench.html`.
        progress: called with the step and the share that is done, in [0, 1].

    Raises:
        UsageError: a load, count or target is not allowed, or `at_least` has no `against`.
        MissingExtra: a package that `output` or `soak_requests` needs is not installed.
        LithoError: no request succeeded under some load, or the endpoint went away.
    """
    if output is not None:
        require_report()
        check_folder(output, "--output")
    if at_least is not None and against is None:
        raise UsageError(
            f"at_least={at_least:g} has nothing to compare with; give a runner to measure against"
        )
    _check(seconds=seconds, rounds=rounds, pairs=pairs)
    measured_at, environment = datetime.now(UTC).isoformat(timespec="seconds"), describe_environment()
    first_seed = secrets.randbelow(MAX_SEED)
    with ExitStack() as stack:
        runner = stack.enter_context(opened(target, variant))
        other = None if against is None else stack.enter_context(opened(against))
        if other is not None:
            _check_same_output(runner, other)
        arrivals = open_scenario(scenario, trace)
        loads = choose_loads(runner, arrivals, concurrency=concurrency, rate=rate, batch=batch)
        side = _Side(
            runner,
            Meter(
                runner,
                Requests(runner.signature, first_seed),
                arrivals,
                http=http,
                mix=None if mix is None else Mix.parse(mix),
                preview_every=preview_every,
            ),
            first_seed,
        )
        turns = _Turns(seconds, len(loads) * rounds + (2 * pairs if other else 0), progress)
        points = _sweep(turns, side, loads, rounds)
        comparison = None
        if other is not None:
            comparison = _compare(turns, side, other, points[-1], pairs).model_copy(
                update={"at_least": at_least}
            )
        soaked = None
        if soak_requests is not None:
            in_flight = max(load.concurrency for load in loads)
            soaked = soak(
                runner, soak_requests, in_flight, server_process_id=server_process_id, progress=progress
            )
        result = BenchResult(
            target=target_name(target),
            runner=runner.description,
            variant=runner.variant,
            precision=runner.precision,
            grade=runner.grade,
            kind="endpoint" if overlaps(runner) else "in-process",
            measured_at=measured_at,
            machine=describe_machine(address_of(runner)),
            method=Method(
                scenario=scenario,
                rounds=rounds,
                warmup_seconds=turns.warmup_seconds,
                window_seconds=turns.window_seconds,
                first_seed=first_seed,
            ),
            points=tuple(points),
            comparison=comparison,
            soak=soaked,
            environment=environment,
        )
    if output is not None:
        write_result(result, output)
    return result


@dataclass(frozen=True)
class _Side:
    """A runner, what measures it, and the seed of its first image."""

    runner: Runner
    meter: Meter
    first_seed: int


class _Turns:
    """Measures one window at a time, all of the same length, and reports progress."""

    def __init__(self, seconds: float, count: int, progress: Progress) -> None:
        self.warmup_seconds = seconds / count * WARMUP_SHARE
        self.window_seconds = seconds / count - self.warmup_seconds
        self._count, self._progress, self._done = count, progress, 0

    def take(self, side: _Side, load: Load) -> Measurement:
        step = f"measuring {side.runner.name} at {load}"
        self._progress(step, self._done / self._count)
        measurement = side.meter.take(load, warmup_seconds=self.warmup_seconds, seconds=self.window_seconds)
        self._done += 1
        self._progress(step, self._done / self._count)
        return measurement


def _sweep(turns: _Turns, side: _Side, loads: Sequence[Load], rounds: int) -> list[Point]:
    measured: dict[Load, list[Measurement]] = {load: [] for load in loads}
    for _ in range(rounds):
        for load in loads:
            measured[load].append(turns.take(side, load))
    return [Point.of(load, measurements) for load, measurements in measured.items()]


def _compare(turns: _Turns, side: _Side, other: Runner, point: Point, pairs: int) -> Comparison:
    """Compare with another runner at the load of `point`."""
    load = point.load
    if not overlaps(other):
        formed = point.server.mean_batch if point.server and point.server.executions else load.batch
        load = Load(concurrency=1, batch=max(1, round(formed)))
    # Neither side gets a seed that the other has had: no cache can help it.
    first_seed = (side.first_seed + 2**48) % (MAX_SEED + 1)
    closed = open_scenario("closed-loop")
    other_side = _Side(other, Meter(other, Requests(other.signature, first_seed), closed), first_seed)
    return Comparison(
        first=side.runner.description,
        second=other.description,
        first_variant=side.runner.variant,
        second_variant=other.variant,
        first_load=point.load,
        second_load=load,
        pairs=compare(
            lambda: Window.of(turns.take(side, point.load)),
            lambda: Window.of(turns.take(other_side, load)),
            pairs=pairs,
        ),
    )


def _check(*, seconds: float, rounds: int, pairs: int) -> None:
    if not 0 < seconds < float("inf"):
        raise UsageError(f"seconds was given {seconds}; it takes a positive number")
    for name, value in (("rounds", rounds), ("pairs", pairs)):
        if value < 1:
            raise UsageError(f"{name} was given {value}; it takes 1 or more")


def _check_same_output(runner: Runner, other: Runner) -> None:
    if other.signature.output != runner.signature.output:
        raise UsageError(
            f"{runner.description} gives {runner.signature.output.allowed}, {other.description} gives"
            f" {other.signature.output.allowed}; compare two runners of the same generator"
        )
