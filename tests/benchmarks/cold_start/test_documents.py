"""The table of starts."""

from litho.benchmarks.cold_start.documents import ColdStart, ColdStarts, table
from litho.benchmarks.shared.environment import Environment
from litho.benchmarks.shared.machine import describe_machine


def test_the_median_and_the_range_of_each_way_are_shown() -> None:
    one = ColdStart(
        name="digits",
        variant="generator.fp32.onnx",
        size_bytes=9,
        process_seconds=(1.0, 3.0, 2.0),
        server_seconds=(4.0,),
    )
    result = ColdStarts(
        measured_at="2026-01-01T00:00:00+00:00",
        machine=describe_machine(),
        environment=Environment(),
        bundles=(one,),
    )
    assert ColdStarts.model_validate_json(result.model_dump_json()) == result
    assert table(result)[2:] == [
        "| digits | generator.fp32.onnx | 2.00 (1.00 to 3.00) | 4.00 (4.00 to 4.00) |"
    ]
