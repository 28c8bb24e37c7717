import numpy as np
from hypothesis import given, strategies as st

from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    image_output,
    label_field,
    mask_field,
    seed_field,
    source_field,
)

DIGITS = Signature(
    inputs=(seed_field(), label_field(tuple("0123456789"))),
    output=image_output(32, 32, 1),
)
HOLES = Signature(
    inputs=(seed_field(), source_field(24, 17, 3), mask_field(24, 17)), output=image_output(24, 17, 3)
)

STAGE = Signature(
    inputs=(
        Field(name="tokens", role=Role.TOKENS, dtype="INT64", shape=(4,), minimum=0, maximum=9),
        Field(name="sample", role=Role.SAMPLE, dtype="FP32", shape=(2, 8, 8)),
        Field(name="time", role=Role.TIME, dtype="FP32", minimum=0, maximum=1),
        Field(name="step", role=Role.STEP, dtype="FP32", minimum=0, maximum=1),
    ),
    output=Field(name="embedding", role=Role.EMBEDDING, dtype="FP32", shape=(4, 16)),
)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_example_inputs_are_allowed_and_labels_balanced(batch: int, seed: int) -> None:
    example = DIGITS.example(batch, seed)
    checked = DIGITS.check(example)
    assert np.bincount(checked["label"], minlength=10).max() <= -(-batch // 10)
    assert len(set(checked["seed"].tolist())) == batch


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_example_images_are_allowed_and_the_same_at_every_call(batch: int, seed: int) -> None:
    example = HOLES.example(batch, seed)
    HOLES.check(example)
    again = HOLES.example(batch, seed)
    assert all(np.array_equal(example[name], again[name]) for name in example)
    assert len({image.tobytes() for image in example["source"]}) == batch


def test_example_images_are_smooth_and_noisy_in_turn() -> None:
    images = HOLES.example(40)["source"].astype(int)
    steps = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2, 3)).reshape(10, 4).mean(axis=0)
    assert steps[0] < steps[1] < steps[2] < steps[3]
    assert images[0::4].std() > 30


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_an_example_mask_is_one_rectangle(height: int, width: int, seed: int) -> None:
    field = mask_field(height, width)
    signature = Signature(inputs=(field,), output=image_output(height, width, 1))
    for mask in signature.example(5, seed)["mask"]:
        rows, columns = np.nonzero(mask[..., 0])
        inside = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (inside == 255).all()
        assert (mask == 255).sum() == inside.size
        assert np.ptp(rows) + 1 <= max(1, height // 2)
        assert np.ptp(columns) + 1 <= max(1, width // 2)


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_example_inputs_of_an_inner_stage_are_allowed(batch: int, seed: int) -> None:
    example = STAGE.example(batch, seed)
    checked = STAGE.check(example)
    assert checked["tokens"].shape == (batch, 4)
    assert checked["sample"].std() > 0
