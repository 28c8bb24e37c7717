"""Measured figures in the documentation are those of benchmarks/results."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from litho.benchmarks.load.documents import read_result

from .conftest import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def three_digits(value: float) -> str:
    """As the tables round: three significant digits, or whole."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def endpoint_rows(name: str) -> Iterator[str]:
    result = read_result(RESULTS / f"{name}-endpoint.json")
    for point in result.points:
        assert point.server is not None
        formed = point.server.inferences / point.server.executions
        figures = (three_digits(point.latency.p50_ms), three_digits(point.latency.p99_ms), f"{formed:.1f}")
        yield f"| {point.load.concurrency} | {point.images_per_second:,.0f} | {' | '.join(figures)} |"


@pytest.mark.parametrize("name", ["cgan-digits", "dcgan64"])
def test_the_readme_has_the_measured_endpoints(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in endpoint_rows(name):
        assert row in readme, f"README.md lacks: {row}"
    comparison = read_result(RESULTS / f"{name}-endpoint.json").comparison
    assert comparison is not None
    ratios = [pair.ratio for pair in comparison.pairs]
    assert f"{comparison.ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})" in readme


def test_the_peers_are_the_measured_ones() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads((RESULTS / "peers-dcgan64-emoji.json").read_text(encoding="utf-8"))
    (measured,) = (value for value in document.values() if isinstance(value, list))
    figures = {one["name"]: [timing["images_per_second"] for timing in one["timings"]] for one in measured}
    rows = [line for line in page.splitlines() if line.startswith("|") and "passed |" in line]
    rows = {name: row for row in rows for name in figures if name == row.split("|")[1].strip(" *`")}
    assert len(rows) >= 10
    for name, row in rows.items():
        assert row.endswith("".join(f"| {figure:,.0f} " for figure in figures[name]) + "|"), row
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    peers = [values for name, values in figures.items() if not name.startswith("generator.")]
    for best in (figures[document["recommended"]], [max(column) for column in zip(*peers, strict=True)]):
        first, second, third = (f"{figure:,.0f}" for figure in best)
        assert f"{first}, {second} and {third}" in " ".join(readme.split())


def test_the_faults_and_both_forms_of_batching_are_the_measured_ones() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    faults = json.loads((RESULTS / "faults.json").read_text(encoding="utf-8"))["faults"]
    assert len(faults) >= 16
    for one in faults:
        raw, own = one["clients"]["raw"], one["clients"]["litho"]
        figures = (
            f"{raw['failed']:,} of {raw['requests']:,}",
            f"{own['failed']:,}",
            f"{one['seconds_to_whole']:.1f}",
        )
        assert f"| {one['title']} | {' | '.join(figures)} |" in page
    forms = json.loads((RESULTS / "in-flight-flow-shapes.json").read_text(encoding="utf-8"))
    for ratios in (forms["ratios"], forms["simulated"], forms["simulated_flat"]):
        assert " | ".join(f"{ratio:.2f}" for ratio in ratios.values()) in page
