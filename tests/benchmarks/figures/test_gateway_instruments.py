"""The table of the gateway by other tools."""

from litho.benchmarks.figures import gateway_instruments
from litho.benchmarks.figures.base import Results


def test_every_comparison_has_a_row() -> None:
    compared = Results().read("gateway-instruments")["compared"]
    texts = gateway_instruments.write(Results())
    rows = texts[""].splitlines()[2:]
    assert len(rows) == len(compared)
    for row, one in zip(rows, compared, strict=True):
        assert row.startswith(f"| `{one['bundle']}` | {one['way']} | {one['tool']} | {one['clients']} |")
    assert "in turns" in texts["where"]
