"""Measure any runner: latency, throughput, where the time goes, whether memory grows.

    from litho.benchmarks import bench
    result = bench("grpc://127.0.0.1:8001/digits", against="bundles/digits", seconds=60, output=Path("out"))

The arrival of requests is a scenario, one module of `scenarios`. Results are documents (`documents`), from which
tables, plots and pages are made afterwards (`report`); nothing here knows how a model was trained or exported.
"""

from .load.compare import compare
from .load.documents import BenchResult, SoakResult, read_result
from .load.soak import soak
from .load.sweep import bench

__all__ = ["BenchResult", "SoakResult", "bench", "compare", "read_result", "soak"]
