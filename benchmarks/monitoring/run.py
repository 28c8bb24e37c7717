"""Loads a litho, lets Prometheus watch, and checks every query: `python -m litho.benchmarks.monitoring BUNDLE [...]`.

A repository of the bundles is served, with a gateway in front; a real Prometheus scrapes both and evaluates the rules
of the chart. After the load, every rule, every panel of the dashboard and the query of autoscaling are compared with
what the clients and Triton's own statistics counted. Then faults are made, and the alerts have to fire. Written to
`results/monitoring.json`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ...errors import LithoError, UsageError
from ...reporting.markdown import markdown_table
from ...runners.triton import Runner
from ...serving.server.embedded import EmbeddedServer
from ...serving.server.environment import install
from ..gateway.process import GatewayProcess
from ..gateway.run import deploy_bundle
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import describe_machine
from .check import check, little, waited
from .documents import MonitoringResult
from .expected import Expected, Timing
from .facts import load
from .faults import FACTOR, fire
from .prometheus import Prometheus, find_prometheus
from .queries import FILES, compressed

__all__ = ["main", "measure", "table"]

RESULT = RESULTS / "monitoring.json"

SECONDS = 90.0
"""The load fits into the ranges of two minutes."""
_RANGE_SECONDS = 120.0
_EARLIER = 0.2
_SCRAPES = 3
_UPDATE_SECONDS = 1.0
"""The engine in flight tells the server its figures every half second."""


def measure(
    bundles: Sequence[Path], *, clients: int = 8, seconds: float = SECONDS, with_faults: bool = True
) -> MonitoringResult:
    """Check every query, and the alerts.

    Args:
        bundles: that are served, the first one in whole requests, samplers in flight.
        clients: requests kept in flight for each of them.
        seconds: length of the load; ranges of the queries are shorter if it is.
        with_faults: whether faults are made for the alerts.

    Raises:
        LithoError: something cannot be served, or Prometheus is missing.
    """
    find_prometheus()
    install()
    # Room for the end of the requests, and for scrapes on both sides.
    factor = max(1.0, _RANGE_SECONDS / (1.2 * seconds + 10))
    interval = min(1.0, seconds / 20)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for path in bundles:
            deploy_bundle(path, folder / "models")
        server = stack.enter_context(EmbeddedServer(folder / "models", log=folder / "server.log"))
        gateway = stack.enter_context(GatewayProcess(server.grpc_url, folder / "gateway.log"))
        runners = [stack.enter_context(Runner.from_location(url, "cpu")) for url in server.endpoints]
        # Whole requests first: they also go through the gateway.
        runners.sort(key=lambda runner: runner.decoupled)
        if runners[0].decoupled:
            raise UsageError(
                "monitoring needs a bundle without steps; name one beside those that are batched in flight"
            )
        # What is counted for the first time has no increase: its series begins with it. And a counter that was almost
        # zero is extended less than others to the ends of a range.
        load(runners, gateway, clients=clients, seconds=_EARLIER * seconds)
        targets = {"litho-triton": server.metrics_url.split("/")[2], "litho-gateway": gateway.address}
        rules = compressed((FILES / "rules.yaml").read_text(encoding="utf-8"), factor)
        with Prometheus(folder / "prometheus", targets, rules, interval) as prometheus:
            prometheus.wait_for_scrapes(_SCRAPES)
            facts = load(runners, gateway, clients=clients, seconds=seconds)
            # A moment after which nothing changes any more, scraped and recorded.
            at = facts.ended + _UPDATE_SECONDS + _SCRAPES * interval
            prometheus.wait_for_scrapes(_SCRAPES + 1, at)
            if at - facts.began + _SCRAPES * interval > _RANGE_SECONDS / factor:
                raise LithoError(
                    f"the load took {at - facts.began:.0f} s, more than the {_RANGE_SECONDS / factor:.0f} s of the"
                    " queries; the machine is too busy to answer in time"
                )
            by_little = little(prometheus, facts, at)
            expected = Expected(facts, Timing(factor, interval, targets, by_little))
            checked = check(prometheus, expected, [one.name for one in facts.models], factor, at)
            times = waited(prometheus, facts, by_little, factor, at)
        fired, missed = {}, ()
        if with_faults:
            fired, missed = fire(folder / "faults", server, gateway, runners)
    wrong = [
        f"{one.kind} {one.query} {one.labels} is {one.value}, not {one.low} to {one.high} ({one.source})"
        for one in checked
        if not one.right
    ]
    names = " ".join(model.name for model in facts.models)
    return MonitoringResult(
        command=f"python -m litho.benchmarks.monitoring {names} --clients {clients} --seconds {seconds:g}",
        seconds=seconds,
        interval=interval,
        checked=tuple(checked),
        waited=tuple(times),
        fired=fired,
        missed=missed,
        fault_factor=FACTOR,
        problems=(*wrong, *(f"{alert} did not fire" for alert in missed)),
        machine=describe_machine(),
    )


def table(result: MonitoringResult) -> list[str]:
    """The times of each model by each witness, as a table in Markdown, and how many series are right."""
    rows = [
        (
            one.model,
            "yes" if one.in_flight else "no",
            f"{one.requests:,}",
            *("" if value is None else f"{value * 1e3:.2f}" for value in one.times),
        )
        for one in result.waited
    ]
    head = ("model", "in flight", "requests", "rule: wait, ms", "Triton's statistics", "Little's law")
    right = sum(one.right for one in result.checked)
    return [
        *markdown_table((*head, "published rule", "rule: answer, ms", "clients"), rows),
        "",
        f"{right} of {len(result.checked)} series are right; alerts fired: {', '.join(result.fired) or 'none tried'}",
    ]


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles that are served.", show_default=False)],
    clients: Annotated[int, typer.Option(help="Requests in flight for each bundle.", min=1)] = 8,
    seconds: Annotated[float, typer.Option(help="Length of the load.", min=1)] = SECONDS,
    faults: Annotated[bool, typer.Option(help="Make faults that alerts must notice.")] = True,
    output: Output = RESULT,
) -> None:
    """Check the queries for Prometheus and Grafana; exit code 1 if one is wrong."""
    with errors_of("monitoring", output):
        result = measure(bundles, clients=clients, seconds=seconds, with_faults=faults)
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))
