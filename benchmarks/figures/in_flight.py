"""docs/serving.md: in-flight batching against whole requests."""

from __future__ import annotations

from ..in_flight.documents import InFlightResult, Ratios
from .base import Results, table

__all__ = ["write"]

_HEAD = ("", "4 steps, p50", "all, p95", "goodput", "saturation")


def write(results: Results) -> dict[str, str]:
    """The table of ratios, both configurations, the most rows of a whole batch, and the load."""
    found = results.document(InFlightResult, "in-flight-flow-shapes")
    rows = [
        (title, *(f"{getattr(ratios, name):.2f}" for name in Ratios.model_fields))
        for title, ratios in (
            ("in flight / whole, measured", found.ratios),
            ("simulated with the step costs of this machine", found.simulated),
            ("simulated with a flat step cost, as of a GPU with room", found.simulated_flat),
        )
    ]
    in_flight, whole = found.in_flight.configuration, found.whole.configuration
    return {
        "": table(_HEAD, rows),
        "configurations": f"(`{in_flight}` and `{whole}`: instances or lanes, threads, rows)",
        "rows": whole.rpartition("-")[2],
        "load": f"{found.load_per_second:.0f}",
    }
