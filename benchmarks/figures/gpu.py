"""docs/gpu.md: what `make gpu-bench` and `make gpu-check` measured on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..cold_start.documents import ColdStarts
from ..device_bench.documents import DeviceBench
from ..gpu_check.documents import Check, Row
from ..load.documents.result import BenchResult
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_SUITE = "gpu-nvidia-h100-80gb-hbm3"
_CHECK = "gpu-check"


def write(results: Results) -> dict[str, str]:
    """In process; `served`; `proof`: families and verdicts; `where`: device, date and versions; `starts`; `missing`.

    Parts of sentences: `in-process` and `endpoint`: the most images/s and under which load; `families`: how many gave
    PyTorch's pictures in FP32.
    """
    suite = results.read(_SUITE)
    measured: dict[str, Any] = suite["results"]
    bench = DeviceBench.model_validate(measured["bench"])
    served = BenchResult.model_validate(measured["served"])
    starts = ColdStarts.model_validate(measured["cold start"]).bundles[0]
    versions = bench.machine.versions
    check = results.document(Check, _CHECK)
    gate = Check.model_validate(measured["gate"])
    return {
        "": table(("form", *_batches(bench), "of the peak"), _forms(bench, suite["shares_of_peak"])),
        "served": table(("clients", "images/s", "p50 ms", "batch formed", "inference ms"), _served(served)),
        "proof": table(("family", "form", "precision", "pictures"), [*_verdicts(gate), *_verdicts(check)]),
        "where": paragraph(
            f"{suite['device']}, {suite['measured_at'][:10]}, {suite['seconds']:.0f} s in all: PyTorch"
            f" {versions['torch']}, ONNX Runtime {versions['onnxruntime-gpu']}, Triton 24.10, Python"
            f" {suite['python']}; {bench.preset}, {bench.multiply_adds / 1e6:.0f} million multiply-adds a picture."
        ),
        "starts": paragraph(
            f"The first picture came {min(starts.process_seconds):.1f} to {max(starts.process_seconds):.1f} s after"
            f" the start of a Python process, and {min(starts.server_seconds):.1f} to"
            f" {max(starts.server_seconds):.1f} s after that of the server."
        ),
        "in-process": _best(bench, "generator.fp32.onnx"),
        "endpoint": _best(served),
        "families": str(len({row.family for row in (*gate.rows, *check.rows) if _same(row)})),
        "missing": "\n".join(f"- {line}" for line in _missing(suite["missing"])),
    }


def _best(measured: DeviceBench | BenchResult, form: str = "") -> str:
    result = measured.results[form] if isinstance(measured, DeviceBench) else measured
    point = max(result.points, key=lambda one: one.images_per_second)
    load = f"{point.load.concurrency} clients" if point.server else f"batches of {point.load.batch}"
    return f"{whole(point.images_per_second)} images/s with {load}"


def _same(row: Row) -> bool:
    return (row.name, row.verdict.status) == ("generator.fp32.onnx", "passed")


def _batches(bench: DeviceBench) -> list[str]:
    points = next(iter(bench.results.values())).points
    return [f"images/s at {point.load.batch}" for point in points]


def _forms(bench: DeviceBench, shares: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    for name, result in bench.results.items():
        speeds = [whole(point.images_per_second) for point in result.points]
        yield name, *speeds, f"{max(shares[name].values()):.1%}"


def _served(served: BenchResult) -> Iterator[tuple[str, ...]]:
    for point in served.points:
        assert point.server is not None, "an endpoint"
        yield (
            str(point.load.concurrency),
            whole(point.images_per_second),
            three_digits(point.latency.p50_ms),
            f"{point.server.mean_batch:.1f}",
            three_digits(point.server.compute_infer_ms),
        )


def _verdicts(check: Check) -> Iterator[tuple[str, ...]]:
    for row in check.rows:
        if row.verdict.status != "not_run":
            yield f"`{row.family}`", row.name, row.precision, row.verdict.status


def _missing(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield line.partition(" (known:")[0]
