"""Names and values of a request against signatures of every kind."""

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.image_request import ImageRequest, from_json
from litho.serving.gateway.inputs import allowed_signature, checked_fields
from litho.signature import Signature
from litho.signature.fields import (
    MAX_TEXT_BYTES,
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    latent_field,
    seed_field,
)

PROMPT = Signature(
    inputs=(
        Field(name="prompt", role=Role.PROMPT, dtype="BYTES"),
        seed_field(),
        Field(name="step_count", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=16),
    ),
    output=image_output(8, 8, 3),
)
CLASSES = Signature(inputs=(seed_field(), label_field(("T-shirt", "Bag"))), output=image_output(8, 8, 1))
OTHER = Signature(
    inputs=(latent_field(4), condition_field("pose", (2, 2)), condition_field("depth", (2, 2, 1), "UINT8")),
    output=image_output(8, 8, 3),
)


def checked(signature: Signature, most_steps: int | None = None, **asked: Any) -> dict[str, Any]:
    request = from_json(json.dumps(asked).encode(), None)
    row = checked_fields(signature, request, "model", most_steps=most_steps)
    assert all(len(value) == 1 for value in row.values())
    return {name: value[0].tolist() if value.dtype != object else value[0] for name, value in row.items()}


def test_a_role_stands_for_the_field_that_has_it() -> None:
    assert checked(PROMPT, prompt="a cat", steps=8) == {"prompt": "a cat", "step_count": 8}
    assert checked(PROMPT, prompt="a cat", step_count=8.0) == {"prompt": "a cat", "step_count": 8}
    with pytest.raises(ApiError, match="by its name and by its role"):
        checked(PROMPT, prompt="a cat", steps=8, step_count=8)


@pytest.mark.parametrize(
    "prompt", ["红色的圆", "دائرة حمراء", "🔴" * 1024, "\0\x1b[31m", "\u202e", "<script>", ""]
)
def test_a_prompt_may_be_in_any_script(prompt: str) -> None:
    assert checked(PROMPT, prompt=prompt) == {"prompt": prompt}


@pytest.mark.parametrize("prompt", ["Bag", " bag ", "1"])
def test_a_prompt_is_the_name_or_number_of_a_class(prompt: str) -> None:
    assert checked(CLASSES, prompt=prompt) == {"label": 1}
    assert checked(CLASSES, prompt=" ", label=prompt) == {"label": 1}


def test_further_fields_have_their_own_names() -> None:
    pose, depth = [[0, 1], [2.5, 3]], [[[0], [1]], [[2], [255]]]
    assert checked(OTHER, latent=[1, 2, 3, 4], pose=pose, depth=depth) == {
        "latent": [1, 2, 3, 4],
        "pose": pose,
        "depth": depth,
    }


@pytest.mark.parametrize(
    ("signature", "asked", "param"),
    [
        (PROMPT, {}, "prompt"),
        (PROMPT, {"prompt": "x" * (MAX_TEXT_BYTES + 1)}, "prompt"),
        (PROMPT, {"prompt": "\ud800"}, "prompt"),
        (PROMPT, {"prompt": "a cat", "negative_prompt": "a dog"}, "negative_prompt"),
        (PROMPT, {"prompt": "a cat", "steps": 65}, "steps"),
        (PROMPT, {"prompt": "a cat", "steps": "8x"}, "steps"),
        (CLASSES, {"label": "Shoe"}, "label"),
        (CLASSES, {"label": 2}, "label"),
        (CLASSES, {"label": 1, "prompt": "Bag"}, "prompt"),
        (OTHER, {"latent": [1, 2, 3], "pose": [[0, 0], [0, 0]]}, "latent"),
        (OTHER, {"latent": [1, 2, 3, 1e39]}, "latent"),
        (OTHER, {"latent": [1, 2, 3, "a secret"]}, "latent"),
        (OTHER, {"latent": [1, 2, [3], 4]}, "latent"),
        (
            OTHER,
            {"latent": [1, 2, 3, 4], "pose": [[0, 0], [0, 0]], "depth": [[[0], [1]], [[2], [256]]]},
            "depth",
        ),
        (OTHER, {"latent": [1, 2, 3, 4]}, "pose"),
    ],
)
def test_what_is_not_allowed_names_its_field(signature: Signature, asked: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as failed:
        checked(signature, **asked)
    assert (failed.value.status, failed.value.param) == (400, param)
    assert "secret" not in failed.value.message


def test_steps_have_a_limit_of_the_gateway() -> None:
    with pytest.raises(ApiError, match="allowed are at most 8"):
        checked(PROMPT, most_steps=8, prompt="a cat", steps=9)
    assert checked(PROMPT, most_steps=8, prompt="a cat") == {"prompt": "a cat", "step_count": 8}


LEAVES = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text()
)
VALUES = strategies.recursive(
    LEAVES,
    lambda inside: (
        strategies.lists(inside, max_size=4) | strategies.dictionaries(strategies.text(), inside, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, strategies.sampled_from(["seed", "label", "latent", "pose", "depth", "steps"]))
def test_no_value_is_a_fault_of_the_gateway(value: Any, name: str) -> None:
    for signature in (PROMPT, CLASSES, OTHER):
        request = ImageRequest.model_validate({name: value})
        with contextlib.suppress(ApiError):
            row = checked_fields(signature, request, "model")
            assert all(isinstance(one, np.ndarray) for one in row.values())


@pytest.mark.parametrize(
    ("most", "maximum", "default"), [(None, 64, 16), (100, 64, 16), (20, 20, 16), (8, 8, 8)]
)
def test_the_signature_that_is_shown_has_the_limit_of_steps(
    most: int | None, maximum: int, default: int
) -> None:
    shown = allowed_signature(PROMPT, most)
    steps = shown.field(Role.STEPS)
    assert steps is not None
    assert (steps.maximum, steps.default) == (maximum, default)
    asked = checked_fields(PROMPT, from_json(b'{"prompt": "a"}', None), "shapes", most_steps=most)
    assert asked.get("step_count", [16])[0] == default
    assert allowed_signature(CLASSES, most) is CLASSES
