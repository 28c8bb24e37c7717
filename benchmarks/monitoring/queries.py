"""The queries of the Helm chart: recording rules, alerts, panels of the dashboard, and the one of autoscaling."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import LithoError
from ...extras import require

__all__ = ["FILES", "Query", "compressed", "dashboard_queries", "rule_queries", "scaling_query"]

FILES = Path(__file__).resolve().parents[2] / "deploy" / "charts" / "litho" / "files"
"""Folder of the chart with the queries."""

RATE_INTERVAL = "2m"
"""Takes the place of Grafana's `$__rate_interval`."""

_DURATION = re.compile(r"\[(\d+)(ms|s|m|h)\]|\bfor: (\d+)(ms|s|m|h)\b")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


@dataclass(frozen=True)
class Query:
    """One query of PromQL.

    Args:
        kind: "rule", "alert", "panel" or "scaling".
        name: of the recorded series or the alert; of a panel its title and the letter of the query.
        expression: the query, without variables.
    """

    kind: str
    name: str
    expression: str


def rule_queries() -> list[Query]:
    """The chart's recording rules and alerts."""
    yaml = require("yaml", "kubernetes")
    document = yaml.safe_load(_read("rules.yaml"))
    return [
        Query("alert", rule["alert"], rule["expr"])
        if "alert" in rule
        else Query("rule", rule["record"], rule["expr"])
        for group in document["groups"]
        for rule in group["rules"]
    ]


def dashboard_queries(*, release: str = ".*") -> list[Query]:
    """Queries of all panels, for all namespaces and models.

    Args:
        release: regular expression, as Grafana puts it in; ".*" is its "All".
    """
    values = {
        "$namespace": ".*",
        "$release": release,
        "$model": ".*",
        "$__rate_interval": RATE_INTERVAL,
    }
    panels: list[dict[str, Any]] = json.loads(_read("dashboard.json"))["panels"]
    return [
        Query("panel", f"{panel['title']} {target['refId']}", _filled(target["expr"], values))
        for panel in panels
        for target in panel.get("targets", ())
    ]


def scaling_query(*, model: str, namespace: str = "", release: str = "") -> Query:
    """The query by which replicas are added; without Kubernetes namespace and release are empty."""
    yaml = require("yaml", "kubernetes")
    text = yaml.safe_load(_read("scaling.yaml"))["queries"]["wait_seconds"]
    values = {"$namespace": namespace, "$release": release, "$model": model}
    return Query("scaling", "wait_seconds", _filled(text, values))


def compressed(text: str, factor: float) -> str:
    """Rules or a query, of which every range and every `for` is shorter.

    Args:
        text: YAML of rules, or PromQL.
        factor: by which they are divided; 12 makes 10 s of 2 min.

    Raises:
        LithoError: a duration would be shorter than a millisecond.
    """

    def shorter(found: re.Match[str]) -> str:
        number, unit = (found[1], found[2]) if found[1] else (found[3], found[4])
        milliseconds = round(int(number) * _MILLISECONDS[unit] / factor)
        if milliseconds < 1:
            raise LithoError(f"{number}{unit} divided by {factor:g} is no duration")
        return f"[{milliseconds}ms]" if found[1] else f"for: {milliseconds}ms"

    return _DURATION.sub(shorter, text)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
