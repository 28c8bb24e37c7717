"""docs/gateway.md: what the gateway costs beside direct gRPC, and what it holds."""

from __future__ import annotations

import statistics

from ..gateway.documents import Fuzzes, GatewayResult, Overhead
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_HEAD = (
    "model",
    "way",
    "images/s",
    "of direct gRPC",
    "p50 more, ms",
    "gateway's processor time a picture, ms",
)
_WAYS = {"direct": "direct gRPC", "tensors": "KServe's tensors", "images": "images API"}


def write(results: Results) -> dict[str, str]:
    """The table of the ways; `where` it was measured; `held`: connections, memory, keys; `png`; `fuzz`; `missed`."""
    found = results.document(GatewayResult, "gateway")
    fuzz = results.document(Fuzzes, "gateway-fuzz")
    encoded = {one.model: one.png_ms for one in reversed(found.overhead)}
    png = ", ".join(f"{png_ms:.2f} ms of `{model}`" for model, png_ms in reversed(encoded.items()))
    missed = "; ".join(f"{_name(one)}, {said}" for one in found.overhead for said in one.problems)
    failures = sum(len(run.failures) for run in fuzz.runs) + len(fuzz.problems)
    answers = ", ".join(f"{count:,} of {status}" for status, count in fuzz.answers.items())
    return {
        "": table(_HEAD, (row for one in found.overhead for row in _rows(one))),
        "where": paragraph(_where(found)),
        "png": paragraph(f"To encode a PNG is part of the images API: {png}."),
        "held": paragraph(_held(found)),
        "fuzz": paragraph(
            f"schemathesis generated {fuzz.cases:,} requests from the OpenAPI document of {', '.join(fuzz.models)}:"
            f" {failures} failures; answers: {answers}."
        ),
        "missed": paragraph(
            f"Over the limits that were set: {missed}." if missed else "All limits were kept."
        ),
    }


def _rows(overhead: Overhead) -> list[tuple[str, ...]]:
    rows = []
    for way, windows in overhead.rounds.items():
        direct = way == "direct"
        processor = statistics.median(one.gateway_cpu_ms for one in windows)
        rows.append(
            (
                _name(overhead) if direct else "",
                _WAYS[way],
                whole(statistics.median(one.throughput for one in windows)),
                "" if direct else str(overhead.throughput[way]),
                "" if direct else f"{overhead.p50_more_ms[way]:+.1f}",
                "" if direct else three_digits(processor),
            )
        )
    return rows


def _name(overhead: Overhead) -> str:
    return f"`{overhead.model}`" + overhead.name.removeprefix(overhead.model)


def _where(found: GatewayResult) -> str:
    counts = " and ".join(map(str, dict.fromkeys(one.clients for one in found.overhead)))
    models = " and ".join(f"`{model}`" for model in dict.fromkeys(one.model for one in found.overhead))
    without = "" if found.machine.gpus else ", no GPU"
    return (
        f"{counts} clients, on {found.machine.said}{without}, which clients, gateway and Triton share where the table"
        f" says nothing else. {models}, measured in turns:"
    )


def _held(found: GatewayResult) -> str:
    said = []
    if (one := found.connections) is not None:
        slow = one.slow_outcomes.get("held", 0)
        said.append(
            f"{one.idle_held} of {one.idle} idle and {slow} of {one.slow} slow connections were held for"
            f" {one.seconds:.0f} s; meanwhile the p50 of ordinary requests was {one.p50_meanwhile_ms:.1f} ms, and"
            f" {one.p50_before_ms:.1f} ms before."
        )
    if (memory := found.memory) is not None:
        said.append(f"Over {memory.requests:,} requests resident memory grew by {memory.growth:.1%}.")
    for times in found.keys:
        what = "The check of a key" if times.where == "check" else "A refusal over HTTP"
        kinds = ", ".join(f"{kind} {median:.2f}" for kind, median in times.median_us.items())
        said.append(f"{what} took, in microseconds: {kinds}.")
    return " ".join(said)
