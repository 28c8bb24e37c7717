"""The table of both forms of batching."""

from litho.benchmarks.figures import in_flight
from litho.benchmarks.figures.base import Results


def test_ratios_are_the_measured_ones() -> None:
    document, texts = Results().read("in-flight-flow-shapes"), in_flight.write(Results())
    assert f"measured | {document['ratios']['short_p50']:.2f} |" in texts[""]
    assert document["whole"]["configuration"].endswith(f"-{texts['rows']}")
