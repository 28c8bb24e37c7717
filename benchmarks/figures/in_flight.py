"""docs/serving.md: in-flight batching against whole requests."""

from __future__ import annotations

from .base import Results, table

__all__ = ["write"]

_HEAD = ("", "4 steps, p50", "all, p95", "goodput", "saturation")
_ROWS = {
    "ratios": "in flight / whole, measured",
    "simulated": "simulated with the step costs of this machine",
    "simulated_flat": "simulated with a flat step cost, as of a GPU with room",
}


def write(results: Results) -> dict[str, str]:
    """The table of ratios, both configurations, the most rows of a whole batch, and the load."""
    forms = results.read("in-flight-flow-shapes")
    rows = [(title, *(f"{ratio:.2f}" for ratio in forms[key].values())) for key, title in _ROWS.items()]
    in_flight, whole = (forms[form]["configuration"] for form in ("in_flight", "whole"))
    return {
        "": table(_HEAD, rows),
        "configurations": f"(`{in_flight}` and `{whole}`: instances or lanes, threads, rows)",
        "rows": whole.rpartition("-")[2],
        "load": f"{forms['load_per_second']:.0f}",
    }
