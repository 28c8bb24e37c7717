"""README's endpoints."""

from litho.benchmarks.figures import endpoints
from litho.benchmarks.figures.base import Results
from litho.benchmarks.load.documents.result import read_result


def test_rows_are_those_of_the_documents() -> None:
    results = Results()
    lines = endpoints.write(results)[""].splitlines()[2:]
    points = [
        p for n in ("cgan-digits", "dcgan64") for p in read_result(results.path(f"{n}-endpoint")).points
    ]
    assert len(lines) == len(points)
    for line, point in zip(lines, points, strict=True):
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[2:4] == [str(point.load.concurrency), f"{point.images_per_second:,.0f}"]


def test_a_row_that_is_not_stable_is_named() -> None:
    results = Results()
    points = [
        p for n in ("cgan-digits", "dcgan64") for p in read_result(results.path(f"{n}-endpoint")).points
    ]
    note = endpoints.write(results)["unstable"]
    assert note.count(", clients ") == sum(point.stable is False for point in points)


def test_machine_and_cores_are_said_once_for_results_of_one_machine() -> None:
    results = Results()
    said = endpoints.write(results)["where"]
    found = [read_result(results.path(f"{name}-endpoint")) for name in ("cgan-digits", "dcgan64")]
    assert said.count(found[0].machine.processor) == len(
        {(one.machine.processor, one.machine.cores, one.cores) for one in found}
    )
