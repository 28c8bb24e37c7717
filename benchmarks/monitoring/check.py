"""Asks a Prometheus that watched a known load every query, and holds the answers against the right numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .documents import Checked, Waited
from .expected import Bounds, Expected, Series
from .facts import Facts, ModelFacts
from .prometheus import Labels, Prometheus
from .queries import Query, compressed, dashboard_queries, rule_queries, scaling_query

__all__ = ["PUBLISHED", "check", "little", "waited"]

PUBLISHED = (
    "avg(delta(nv_inference_queue_duration_us[30s]) / (1 + delta(nv_inference_request_success[30s]))) / 1e6"
)
"""The queue time of NVIDIA's tutorials on autoscaling Triton, in seconds."""

Found = dict[Labels, float]


def check(
    prometheus: Prometheus, expected: Expected, models: Sequence[str], factor: float, at: float
) -> list[Checked]:
    """Every rule, alert, panel and scaling query at one moment.

    Args:
        prometheus: watched the load.
        expected: what is right.
        models: of the server, for the scaling query.
        factor: by which all ranges are divided.
        at: seconds since the epoch; the load lies inside the ranges that end then.
    """

    def ask(expression: str) -> Found:
        found = prometheus.values(compressed(expression, factor), at)
        # What is no number, such as a percentile of nothing, is a gap in a panel.
        return {labels: value for labels, value in found.items() if not math.isnan(value)}

    checked: list[Checked] = []
    for query in rule_queries():
        if query.kind == "alert":
            checked += _alert(query, ask(query.expression))
            continue
        series = expected.of(query.name)
        # As it was recorded, and as its expression says.
        for expression in (query.name, query.expression):
            checked += _checked(query, ask(expression), series)
    for query in dashboard_queries():
        checked += _checked(query, ask(query.expression), expected.of(query.name))
    for model in models:
        query = scaling_query(model=model)
        named = Query(query.kind, f"{query.name} {model}", query.expression)
        checked += _checked(named, ask(query.expression), {(): expected.scaling(model)})
    return checked


def _checked(query: Query, found: Found, series: Series | None) -> list[Checked]:
    if series is None:
        return [_one(query, (), None, Bounds(math.inf, math.inf, "nobody: the query is unknown"))]
    if not series and not found:  # such as panels of a GPU where there is none
        return [_one(query, (), None, None)]
    missing = [labels for labels in series if labels not in found and not _own(labels)]
    checked = [_one(query, labels, None, series[labels]) for labels in missing]
    return checked + [_one(query, labels, value, series.get(labels)) for labels, value in found.items()]


def _own(labels: Labels) -> bool:
    """Whether a series comes from Prometheus' own requests, which may not have been counted in time."""
    return dict(labels).get("route") in ("/metrics", "/readyz")


def _alert(query: Query, found: Found) -> list[Checked]:
    """An alert of a server that is well has no series; how long requests wait is a matter of the load."""
    if query.name == "LithoRequestsWait":
        return []
    if not found:
        return [_one(query, (), None, None)]
    return [_one(query, labels, value, None) for labels, value in found.items()]


def _one(query: Query, labels: Labels, value: float | None, bounds: Bounds | None) -> Checked:
    text = ",".join(f'{name}="{value}"' for name, value in labels if name != "instance")
    return Checked(
        kind=query.kind,
        query=query.name,
        labels="{" + text + "}",
        value=value,
        low=None if bounds is None else bounds.low,
        high=None if bounds is None else bounds.high,
        source="no such series" if bounds is None else bounds.source,
    )


def little(prometheus: Prometheus, facts: Facts, at: float) -> dict[str, float]:
    """Model in flight -> seconds that a picture waited: mean of the rows that wait, over the pictures of a second.

    Args:
        prometheus: watched the load.
        facts: of the load.
        at: seconds since the epoch, after the load.
    """
    found: dict[str, float] = {}
    for model in facts.models:
        if not model.in_flight:
            continue
        past = round((at - facts.began) * 1000)
        mean = prometheus.values(
            f'avg_over_time(litho_in_flight_waiting_rows{{model="{model.name}"}}[{past}ms])', at
        )
        # Nothing waits before and after the load: the mean times the range is the sum of all waits.
        found[model.name] = sum(mean.values()) * (at - facts.began) / model.pictures
    return found


def waited(
    prometheus: Prometheus, facts: Facts, little: dict[str, float], factor: float, at: float
) -> list[Waited]:
    """What each witness says of the times of each model.

    Args:
        prometheus: watched the load.
        facts: of the load.
        little: as the function of this name gives it.
        factor: by which all ranges are divided.
        at: seconds since the epoch, after the load.
    """
    # This rule looks back 30 s: at the end of the load it sees nothing but the load.
    published = prometheus.values(compressed(PUBLISHED, factor), facts.ended)

    def recorded(name: str, model: ModelFacts) -> float:
        return prometheus.values(f'{name}{{model="{model.name}"}}', at)[("model", model.name),]

    return [
        Waited(
            model=model.name,
            in_flight=model.in_flight,
            requests=model.answered,
            prometheus_wait=recorded("model:litho_wait_seconds:mean2m", model),
            prometheus_answer=recorded("model:litho_answer_seconds:mean2m", model),
            statistics_wait=model.statistics.queue_ns / model.statistics.requests / 1e9,
            little_wait=little.get(model.name),
            client_answer=model.client_seconds,
            published_wait=sum(published.values()),
        )
        for model in facts.models
    ]
