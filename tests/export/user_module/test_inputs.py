"""Inputs of a signature file: noises in all their forms, and conditions; refusals are in `test_signature_file.py`."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from litho.export.user_module.inputs import Condition, Input, Noise
from litho.signature.fields import Role

ADAPTER: TypeAdapter[Any] = TypeAdapter(Input)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"z": [4], "fine": [1, 2, 2]}, [("z", ((4,),), False), ("fine", ((1, 2, 2),), False)]),
        ({"styles": [[4]], "noise": [[1], [2]]}, [("styles", ((4,),), True), ("noise", ((1,), (2,)), True)]),
        ([[4], [1, 2, 2]], [(None, ((4,),), False), (None, ((1, 2, 2),), False)]),
        (
            [{"shape": [4]}, {"argument": "noise", "shapes": [[1], [1, 2]]}],
            [(None, ((4,),), False), ("noise", ((1,), (1, 2)), True)],
        ),
    ],
)
def test_several_noises_have_four_forms(given: Any, wanted: Any) -> None:
    noise = ADAPTER.validate_python({"role": "seed", "noises": given})
    assert isinstance(noise, Noise)
    parts = [(part.argument, part.tensors, part.shapes is not None) for part in noise.noises or ()]
    assert parts == wanted
    assert noise.size == sum(int(np.prod(shape)) for _, tensors, _ in wanted for shape in tensors)
    assert noise.latent.shape == (noise.size,)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "condition"),
        ({"argument": "encoder_hidden_states"}, "encoder_hidden_states"),
        ({"argument": "added_cond_kwargs.time_ids"}, "time_ids"),
        ({"argument": "encoderStates"}, "condition"),
        ({"argument": "noise"}, "condition"),
        ({"argument": "noise", "name": "pose"}, "pose"),
    ],
)
def test_a_condition_has_the_name_of_its_argument(given: dict[str, Any], name: str) -> None:
    condition = ADAPTER.validate_python({"role": "condition", "shape": [2, 3], **given})
    assert isinstance(condition, Condition)
    field = condition.field()
    assert (field.name, field.role, field.dtype, field.shape) == (name, Role.CONDITION, "FP32", (2, 3))
