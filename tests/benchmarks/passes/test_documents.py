"""The gains of a case are found by their runtime."""

import pytest
from pydantic import ValidationError

from litho.benchmarks.passes.documents import Gain, Gains, Runtime
from litho.benchmarks.shared.machine import describe_machine


def gain(runtime: Runtime, batch: int) -> Gain:
    return Gain(case="same", runtime=runtime, batch=batch, ratio=1.1, low=1.0, high=1.2, pairs=5)


def test_the_gains_of_a_case_are_those_of_the_runtime_and_read_back() -> None:
    gains = Gains(
        gains=(gain("openvino", 1), gain("onnxruntime", 1), gain("openvino", 8)),
        failures={},
        machine=describe_machine(),
        measured_at="2026-01-01T00:00:00+00:00",
        command="python -m litho.benchmarks.passes",
        seconds=1.0,
    )
    assert [one.batch for one in gains.of("same", "openvino")] == [1, 8]
    assert gains.of("other", "openvino") == ()
    assert Gains.model_validate_json(gains.model_dump_json()) == gains


def test_a_batch_has_a_picture() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        gain("openvino", 0)
