"""When the targets of in-flight batching are met, and the tables of a stored comparison."""

import pytest

from litho.benchmarks.in_flight.documents import InFlightResult, Ratios, lines
from litho.benchmarks.shared.command import RESULTS


def test_the_tables_of_a_stored_comparison_name_both_forms() -> None:
    stored = InFlightResult.model_validate_json((RESULTS / "in-flight-flow-shapes.json").read_bytes())
    text = "\n".join(lines(stored))
    for form in (stored.whole, stored.in_flight):
        assert f"| {form.configuration} |" in text
    assert f"the targets are {'met' if stored.ratios.passed else 'NOT met'}" in text


@pytest.mark.parametrize("worse", ["short_p50", "all_p95", "goodput", "saturation"])
def test_every_bar_counts(worse: str) -> None:
    met = Ratios(short_p50=0.5, all_p95=0.9, goodput=1.2, saturation=0.97)
    assert met.passed
    sign = 1 if worse in ("short_p50", "all_p95") else -1
    assert not met.model_copy(update={worse: getattr(met, worse) + sign * 0.01}).passed
