"""Which loads a sweep measures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from ....errors import UsageError
from ....runners import Runner
from ..documents.windows import Load
from ..scenarios import Scenario
from .in_flight import overlaps

__all__ = ["choose_loads"]

SWEEP = (1, 2, 4, 8, 16, 32)


def choose_loads(
    runner: Runner,
    scenario: Scenario,
    *,
    concurrency: Sequence[int] | None = None,
    rate: Sequence[float] | None = None,
    batch: Sequence[int] | None = None,
) -> list[Load]:
    """Every combination of what is given, or of what is usual for the runner and the scenario.

    Args:
        runner: the measured runner.
        scenario: when requests leave.
        concurrency: requests in flight, of a closed loop.
        rate: requests per second, of an open loop.
        batch: images in a request.

    Raises:
        UsageError: a value is not allowed, or would be ignored.
    """
    in_process = not overlaps(runner)
    if scenario.rated:
        return _rated(scenario, concurrency, rate, tuple(batch or (1,)))
    if rate:
        raise UsageError(
            f"--rate was given {_listed(rate)}, which --scenario {scenario.name} ignores; use --concurrency, or an"
            " open loop such as --scenario poisson"
        )
    concurrencies = tuple(concurrency or ((1,) if in_process else SWEEP))
    batches = tuple(batch or (SWEEP if in_process else (1,)))
    _check("concurrency", concurrencies)
    _check("batch", batches)
    if in_process and concurrencies != (1,):
        raise UsageError(
            f"concurrency was given {_listed(concurrencies)}, but {runner.description} runs one request after the"
            " other in this process; sweep the batch instead, or deploy and serve the bundle"
        )
    return [Load(concurrency=count, batch=size) for size, count in product(batches, concurrencies)]


def _rated(
    scenario: Scenario,
    concurrency: Sequence[int] | None,
    rate: Sequence[float] | None,
    batches: tuple[int, ...],
) -> list[Load]:
    if concurrency:
        raise UsageError(
            f"--concurrency was given {_listed(concurrency)}, which --scenario {scenario.name} ignores; give --rate,"
            " requests per second"
        )
    own = scenario.own_rate
    rates = tuple(rate or (() if own is None else (own,)))
    if not rates:
        raise UsageError(f"--scenario {scenario.name} needs --rate: requests per second, such as 50,100")
    if not all(0 < value < float("inf") for value in rates) or len(set(rates)) != len(rates):
        raise UsageError(f"rate was given {_listed(rates)}; it takes different numbers above 0")
    _check("batch", batches)
    return [Load(rate=value, batch=size) for size, value in product(batches, rates)]


def _check(name: str, values: tuple[int, ...]) -> None:
    if any(value < 1 for value in values) or len(set(values)) != len(values):
        raise UsageError(f"{name} was given {_listed(values)}; it takes different numbers of at least 1")


def _listed(values: Sequence[float]) -> str:
    """As the command line takes them: 1,8,32."""
    return ",".join(f"{value:g}" for value in values)
