"""`bench`: put a range of loads on a runner in turns, compare it with another one, write the results."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from ...errors import UsageError
from ...runners import Runner
from ...signature.noise import MAX_SEED
from ..machine import describe_machine
from ..targets import Progress, Target, address_of, opened, quiet, target_name
from .compare import compare
from .documents import BenchResult, Comparison, Method
from .flight import overlaps
from .report import require_report, write_result
from .requests import Requests
from .scenarios import Scenario, open_scenario
from .soak import soak
from .windows import Load, Measurement, Point, Window

__all__ = ["bench"]

SWEEP = (1, 2, 4, 8, 16, 32)
WARMUP_SHARE = 0.2
"""Share of each turn that is spent on warming up."""


def bench(
    target: Target,
    *,
    against: Target | None = None,
    at_least: float | None = None,
    concurrency: Sequence[int] | None = None,
    batch: Sequence[int] | None = None,
    seconds: float = 60.0,
    rounds: int = 3,
    pairs: int = 9,
    scenario: str = "closed-loop",
    soak_requests: int | None = None,
    server_process_id: int | None = None,
    output: Path | None = None,
    progress: Progress = quiet,
) -> BenchResult:
    """Measure latency and throughput of a runner under a range of loads.

    Every combination of concurrency and batch is a load. The loads take turns, `rounds` times over, so that a
    machine that grows slower meanwhile slows all of them and not the last ones. In each turn the load first runs
    for a fifth of the time as a warm-up that is not counted.

    Args:
        target: what is measured: an open runner, or whatever `open_runner` opens.
        against: another runner, to compare with in turns at the target's last load; one without a transport gets
            the batch that the target's server formed there on average.
        at_least: what the median ratio of throughputs must reach, see `Comparison.passed`.
        concurrency: requests in flight; by default 1 to 32 at an endpoint. In process there is only 1.
        batch: pictures in a request; by default 1 at an endpoint, 1 to 32 in process.
        seconds: length of sweep and comparison together, warm-ups included; a turn lasts longer where requests
            are so slow that fewer ended than are in flight.
        rounds: windows of each load; at least 3 tell whether the figures were stable.
        pairs: windows of each side of the comparison.
        scenario: how requests arrive.
        soak_requests: afterwards watch memory over so many requests, see `soak`.
        server_process_id: of the server on this machine; by default found by the port it listens on.
        output: directory that gets `bench.json` and `bench.html`.
        progress: called with what is being done and the share that is done.

    Raises:
        UsageError: a load, count or target that cannot be asked for.
        MissingExtra: a package that `output` or `soak_requests` needs is not installed.
        LithoError: no request succeeded under some load, or the endpoint went away.
    """
    if output is not None:
        require_report()
    _check(seconds=seconds, rounds=rounds, pairs=pairs)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    first_seed = secrets.randbelow(MAX_SEED)
    with ExitStack() as stack:
        runner = stack.enter_context(opened(target))
        other = None if against is None else stack.enter_context(opened(against))
        if other is not None:
            _check_same_pictures(runner, other)
        loads = _loads(runner, concurrency, batch)
        turns = _Turns(scenario, seconds, len(loads) * rounds + (2 * pairs if other else 0), progress)
        requests = Requests(runner.signature, first_seed)
        points = _sweep(turns, runner, requests, loads, rounds)
        comparison = None
        if other is not None:
            comparison = _against(turns, runner, requests, other, points[-1], pairs, at_least)
        soaked = None
        if soak_requests is not None:
            in_flight = max(load.concurrency for load in loads)
            soaked = soak(
                runner, soak_requests, in_flight, server_process_id=server_process_id, progress=progress
            )
        result = BenchResult(
            target=target_name(target),
            runner=runner.description,
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
        )
    if output is not None:
        write_result(result, output)
    return result


class _Turns:
    """Hands each load its turn, all of one length, and says how far things are."""

    def __init__(self, scenario: str, seconds: float, count: int, progress: Progress) -> None:
        self.warmup_seconds = seconds / count * WARMUP_SHARE
        self.window_seconds = seconds / count - self.warmup_seconds
        self._scenario: Scenario = open_scenario(scenario)
        self._count, self._progress, self._done = count, progress, 0

    def take(self, runner: Runner, requests: Requests, load: Load) -> Measurement:
        self._progress(f"measuring {runner.name} at {load}", self._done / self._count)
        measurement = self._scenario.measure(
            runner, requests, load, warmup_seconds=self.warmup_seconds, seconds=self.window_seconds
        )
        self._done += 1
        self._progress(f"measuring {runner.name} at {load}", self._done / self._count)
        return measurement


def _sweep(
    turns: _Turns, runner: Runner, requests: Requests, loads: Sequence[Load], rounds: int
) -> list[Point]:
    measured: dict[Load, list[Measurement]] = {load: [] for load in loads}
    for _ in range(rounds):
        for load in loads:
            measured[load].append(turns.take(runner, requests, load))
    return [Point.of(load, measurements) for load, measurements in measured.items()]


def _against(
    turns: _Turns,
    runner: Runner,
    requests: Requests,
    other: Runner,
    point: Point,
    pairs: int,
    at_least: float | None,
) -> Comparison:
    """Compare at the load of `point`."""
    load = point.load
    if not overlaps(other):
        formed = point.server.mean_batch if point.server and point.server.executions else load.batch
        load = Load(concurrency=1, batch=max(1, round(formed)))
    # Seeds of its own: nothing that one side has been asked is asked of the other.
    others = Requests(other.signature, (requests.first_seed + 2**48) % (MAX_SEED + 1))

    def first() -> Window:
        return Window.of(turns.take(runner, requests, point.load))

    def second() -> Window:
        return Window.of(turns.take(other, others, load))

    return Comparison(
        first=runner.description,
        second=other.description,
        first_load=point.load,
        second_load=load,
        pairs=compare(first, second, pairs=pairs),
        at_least=at_least,
    )


def _loads(runner: Runner, concurrency: Sequence[int] | None, batch: Sequence[int] | None) -> list[Load]:
    in_process = not overlaps(runner)
    concurrencies = tuple(concurrency or ((1,) if in_process else SWEEP))
    batches = tuple(batch or (SWEEP if in_process else (1,)))
    for name, values in (("concurrency", concurrencies), ("batch", batches)):
        if any(value < 1 for value in values) or len(set(values)) != len(values):
            raise UsageError(f"{name} was given {list(values)}; it takes different numbers from 1 up")
    if in_process and concurrencies != (1,):
        raise UsageError(
            f"concurrency {list(concurrencies)} was asked of {runner.description}, which runs one request after"
            " the other in this process; sweep the batch instead, or deploy and serve the bundle"
        )
    return [Load(concurrency=flying, batch=size) for size, flying in product(batches, concurrencies)]


def _check(*, seconds: float, rounds: int, pairs: int) -> None:
    if not 0 < seconds < float("inf"):
        raise UsageError(f"seconds was given {seconds}; it takes a positive number")
    for name, value in (("rounds", rounds), ("pairs", pairs)):
        if value < 1:
            raise UsageError(f"{name} was given {value}; it takes 1 or more")


def _check_same_pictures(runner: Runner, other: Runner) -> None:
    if other.signature.output != runner.signature.output:
        raise UsageError(
            f"{runner.description} gives {runner.signature.output.allowed}, {other.description} gives"
            f" {other.signature.output.allowed}; compare two runners of the same generator"
        )
