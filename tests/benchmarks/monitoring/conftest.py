"""One check of a small litho under load, which the tests of this folder look at."""

import shutil
from pathlib import Path

import pytest

from litho.benchmarks.monitoring.documents import MonitoringResult
from litho.benchmarks.monitoring.run import measure


@pytest.fixture(scope="package")
def result(bundle: Path, flow_bundle: Path) -> MonitoringResult:
    """What Prometheus said of a server of the tiny models and its gateway."""
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed")
    return measure([bundle, flow_bundle], clients=4, seconds=2, with_faults=False)
