from litho.benchmarks.growth.series import GrowthResult, Series
from litho.benchmarks.shared.machine import describe_machine


def test_series_are_fitted_found_and_read_again() -> None:
    facts = {"form": "ONNX Runtime", "against": "batch", "quantity": "milliseconds of a batch"}
    both = [
        Series.of({4: [4.0], 1: [1.0, 1.2, 0.9], 2: [2.0]}, name=name, **facts) for name in ("tiny", "other")
    ]
    result = GrowthResult(
        command="python -m litho.benchmarks.growth tiny",
        measured_at="2026-01-01T00:00:00+00:00",
        seconds=1,
        threads=1,
        machine=describe_machine(),
        series=tuple(both),
    )
    assert [point.x for point in both[0].points] == [1, 2, 4]
    assert both[0].points[0].median == 1
    assert both[0].growth.form == "one power law"
    assert result.find("batch") == tuple(both)
    assert result.find("batch", "tiny") == (both[0],)
    assert result.find("steps") == ()
    assert GrowthResult.model_validate_json(result.model_dump_json()) == result
