"""The facts of a deployed model as parameters of a configuration."""

import pytest
from pydantic import ValidationError

from litho.runners._served import ServedModel, ServerStatistics

from ..streaming import SIGNATURE


def test_facts_travel_as_texts_and_come_back() -> None:
    served = ServedModel(
        signature=SIGNATURE,
        bundle="digits",
        variant="generator.int8.onnx",
        checkpoint_sha256="0" * 64,
        precision="int8",
        grade="same distribution",
        accepted_failed=True,
    )
    parameters = served.to_parameters()
    assert all(isinstance(text, str) and name.startswith("litho_") for name, text in parameters.items())
    assert parameters["litho_accepted_failed"] == "true"
    assert ServedModel.from_parameters({**parameters, "another_tool": "7", "litho_later": "x"}) == served


def test_a_model_of_another_tool_has_no_facts() -> None:
    with pytest.raises(ValidationError):
        ServedModel.from_parameters({"another_tool": "7"})


def test_counters_add_up_and_subtract() -> None:
    early = ServerStatistics(1, 2, 1, 10, 20, 30, 40, batch_sizes={2: 1})
    late = ServerStatistics(4, 8, 3, 20, 40, 60, 80, failures=1, batch_sizes={2: 1, 3: 2})
    between = late - early
    assert between == ServerStatistics(3, 6, 2, 10, 20, 30, 40, failures=1, batch_sizes={3: 2})
    assert early + between == late
    assert between.mean_batch == 3
