"""No alert goes untried: a fault makes it fire, or an example of promtool does."""

import re
from pathlib import Path

from litho.benchmarks.monitoring import faults
from litho.benchmarks.monitoring.queries import rule_queries

from .test_queries import UNIT_TESTS

NAMES = re.compile(r"Litho\w+")


def test_every_alert_has_a_fault_or_an_example() -> None:
    alerts = {query.name for query in rule_queries() if query.kind == "alert"}
    examples = set(NAMES.findall(UNIT_TESTS.read_text()))
    assert alerts == examples
    made = set(NAMES.findall(Path(faults.__file__).read_text()))
    assert len(made) == 6
    assert made < alerts
