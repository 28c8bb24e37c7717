"""The table of faults."""

from litho.benchmarks.faults.documents import Faults
from litho.benchmarks.figures import faults
from litho.benchmarks.figures.base import Results


def test_every_fault_has_a_row() -> None:
    measured = Results().read("faults")["faults"]
    texts = faults.write(Results())
    assert texts["machine"] == Results().document(Faults, "faults").machine.said
    assert texts["count"] == str(len(measured))
    assert len(measured) >= 16
    rows = texts[""].splitlines()[2:]
    for row, one in zip(rows, measured, strict=True):
        raw = one["clients"]["raw"]
        assert f"| {one['title']} | {raw['failed']:,} of {raw['requests']:,} |" in row
