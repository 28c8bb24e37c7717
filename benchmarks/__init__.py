"""Measure a runner: latency, throughput, server times, growth of memory.

    from litho.benchmarks import bench
    result = bench("grpc://127.0.0.1:8001/digits", against="bundles/digits", seconds=60, output=Path("out"))

A scenario, one module of `load.scenarios`, decides when requests start. Results are documents (`load.documents`), from
which `load.report` makes tables and `load.page` pages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .load.comparison.compare import compare
from .load.documents.result import BenchResult, SoakResult, read_result
from .load.measuring.soak import soak

if TYPE_CHECKING:
    from .load.sweep import bench

__all__ = ["BenchResult", "SoakResult", "bench", "compare", "read_result", "soak"]


def __getattr__(name: str) -> Any:
    if name == "bench":  # it loads gRPC, which whoever reads results does not need
        return import_module(".load.sweep", __name__).bench
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
