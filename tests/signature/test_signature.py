from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from litho.errors import InvalidInput, UsageError
from litho.signature import GeneratorSignature, Signature
from litho.signature.fields import (
    Field,
    Role,
    image_output,
    label_field,
    latent_field,
    mask_field,
    seed_field,
    source_field,
)
from litho.signature.noise import MAX_SEED

DIGITS = Signature(
    inputs=(seed_field(), label_field(tuple("0123456789"))),
    output=image_output(32, 32, 1),
)
HOLES = Signature(
    inputs=(seed_field(), source_field(24, 17, 3), mask_field(24, 17)), output=image_output(24, 17, 3)
)
LATENT = Signature(inputs=(latent_field(8),), output=image_output(32, 32, 1))

ONE_SIZE = Signature(inputs=(source_field(16, 24, 3),), output=image_output(64, 96, 3))
LARGER = ONE_SIZE.with_free_size(8, 128, 4)

STAGE = Signature(
    inputs=(
        Field(name="tokens", role=Role.TOKENS, dtype="INT64", shape=(4,), minimum=0, maximum=9),
        Field(name="sample", role=Role.SAMPLE, dtype="FP32", shape=(2, 8, 8)),
        Field(name="time", role=Role.TIME, dtype="FP32", minimum=0, maximum=1),
        Field(name="step", role=Role.STEP, dtype="FP32", minimum=0, maximum=1),
    ),
    output=Field(name="embedding", role=Role.EMBEDDING, dtype="FP32", shape=(4, 16)),
)


@given(st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=9))
def test_lists_of_seeds_become_int64_of_shape_batch(seeds: list[int]) -> None:
    checked = DIGITS.check({"label": [0] * len(seeds), "seed": seeds})
    assert list(checked) == ["seed", "label"]
    assert checked["seed"].dtype == np.int64
    assert checked["seed"].tolist() == seeds


def test_a_plain_number_is_a_batch_of_one() -> None:
    assert DIGITS.check({"seed": 7, "label": 3})["seed"].shape == (1,)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (
            {"seed": [-1], "label": [0]},
            r"'seed' was given value -1; allowed is INT64 of shape \(batch\), 0 to",
        ),
        ({"seed": [2**63], "label": [0]}, "'seed' was given value 9223372036854775808"),
        ({"seed": [2**80], "label": [0]}, "'seed' was given value"),
        ({"seed": [1], "label": [10]}, "'label' was given value 10; allowed is .* 0 to 9"),
        ({"seed": [1.5], "label": [0]}, "dtype float64"),
        ({"seed": [True], "label": [0]}, "dtype bool"),
        ({"seed": ["7"], "label": [0]}, "dtype <U1"),
        ({"seed": [[1]], "label": [0]}, r"shape \(1, 1\)"),
        ({"seed": [[1], [1, 2]], "label": [0]}, "ragged"),
        ({"seed": [], "label": []}, "dtype float64|empty batch"),
        ({"seed": np.zeros(0, np.int64), "label": [0]}, "empty batch"),
        ({"seed": [1, 2], "label": [0]}, "a batch of 1 beside fields with a batch of 2"),
        ({"seed": [1]}, "'label' is missing"),
        ({"seed": [1], "label": [0], "lable": [0]}, r"unknown field 'lable' \(known: label, seed\)"),
    ],
)
def test_inputs_that_are_not_allowed_are_refused_in_one_line(inputs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as refused:
        DIGITS.check(inputs)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_latent_that_is_not_finite_is_refused(value: float) -> None:
    latent = np.zeros((2, 8), np.float32)
    latent[1, 3] = value
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        LATENT.check({"latent": latent})


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_free_size_is_within_its_limits_and_divisible(height: int, width: int) -> None:
    allowed = all(8 <= side <= 128 and side % 4 == 0 for side in (height, width))
    picture = np.zeros((2, height, width, 3), np.uint8)
    if allowed:
        checked = LARGER.check({"source": picture})
        assert LARGER.output_shape(checked) == (2, 4 * height, 4 * width, 3)
        assert LARGER.output.check(np.zeros(LARGER.output_shape(checked), np.uint8)).size
        sized = LARGER.with_size(height, width)
        assert (sized.inputs[0].shape, sized.output.shape) == (
            (height, width, 3),
            (4 * height, 4 * width, 3),
        )
        assert sized.sized_by is None
    else:
        with pytest.raises(InvalidInput, match="height and width 8 to 128, divisible by 4"):
            LARGER.check({"source": picture})
        with pytest.raises(InvalidInput, match="height and width 8 to 128, divisible by 4"):
            LARGER.with_size(height, width)
    nearest = LARGER.inputs[0].nearest_side(height)
    assert nearest == max(8, max((side for side in range(8, 129, 4) if side <= height), default=8))


def test_what_was_fixed_is_usual_once_it_is_free() -> None:
    assert LARGER.inputs[0].shape == LARGER.output.shape == (-1, -1, 3)
    assert LARGER.example(2)["source"].shape == (2, 16, 24, 3)
    assert (LARGER.output.least_side, LARGER.output.most_side, LARGER.output.divisible_by) == (32, 512, 16)
    assert Signature.model_validate_json(LARGER.model_dump_json()) == LARGER


def test_pictures_that_belong_together_have_one_size() -> None:
    free = HOLES.model_copy(update={"inputs": HOLES.inputs[1:]}).with_free_size(8, 64)
    source, mask = np.zeros((1, 8, 9, 3), np.uint8), np.zeros((1, 8, 10, 1), np.uint8)
    with pytest.raises(InvalidInput, match=r"given were 'source' of 8x9, 'mask' of 8x10; .* have one size"):
        free.check({"source": source, "mask": mask})
    assert free.check({"source": source, "mask": mask[:, :, :9]})["mask"].shape == (1, 8, 9, 1)


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ((32, 128, 8), r"usual size \(16, 24\) of 'source' is not within 32 to 128"),
        ((8, 128, 16), "sides .* are not all divisible by 16"),
    ],
)
def test_free_sizes_that_leave_out_the_usual_one_are_refused(
    limits: tuple[int, int, int], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        ONE_SIZE.with_free_size(*limits)


def test_only_pictures_from_pictures_are_of_any_size() -> None:
    with pytest.raises(UsageError, match="made from pictures; this generator takes none"):
        DIGITS.with_free_size(8, 64)


def test_a_field_with_a_default_may_be_left_out() -> None:
    steps = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=8)
    signature = Signature(inputs=(seed_field(), steps), output=image_output(8, 8, 3))
    assert signature.check({"seed": [1, 2]})["steps"].tolist() == [8, 8]


@pytest.mark.parametrize("signature", [DIGITS, HOLES])
def test_a_signature_survives_json(signature: Signature) -> None:
    assert Signature.model_validate_json(signature.model_dump_json()) == signature


def test_only_a_generator_as_a_whole_must_give_a_picture() -> None:
    whole = TypeAdapter(GeneratorSignature)
    assert whole.validate_python(DIGITS) == DIGITS
    with pytest.raises(ValidationError, match="output of a generator is an image"):
        whole.validate_python(STAGE)


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": (), "output": image_output(8, 8, 1)},
        {"inputs": (seed_field(), seed_field()), "output": image_output(8, 8, 1)},
        {"inputs": (seed_field(),), "output": seed_field()},
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Signature(**fields)
