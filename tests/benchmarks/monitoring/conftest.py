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
    # Times that two programs took are compared: where something else held up one of them, all is measured again.
    for _ in range(4):
        result = measure([bundle, flow_bundle], clients=4, seconds=2, with_faults=False)
        if not result.problems:
            break
    return result
