import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.parity.probe_values import (
    MOST_CHOICES,
    choices,
    further_seeds,
    has_extremes,
    is_ranged,
    put_edges,
    put_extremes,
    put_ranged,
)
from litho.signature.fields import (
    Field,
    Role,
    condition_field,
    label_field,
    latent_field,
    seed_field,
    source_field,
    truncation_field,
)

COUNT = 64
STEPS = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=8)
GUIDANCE = Field(name="guidance", role=Role.GUIDANCE, dtype="FP32", minimum=0, maximum=10, default=2.0)
TEXT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")


def ranged(*fields: Field) -> list[np.ndarray]:
    drawn = [np.zeros(COUNT, field.numpy_dtype) for field in fields]
    put_ranged(fields, drawn)
    for field, values in zip(fields, drawn, strict=True):
        field.check(values)
    return drawn


def test_small_seeds_and_every_power_of_two_come_up() -> None:
    seeds = np.zeros(COUNT, np.int64)
    put_edges(seed_field(), seeds)
    both = {*seeds.tolist(), *further_seeds(seed_field()).tolist()}
    assert len(both) >= 2 * COUNT - 8
    assert set(range(41)) <= both
    for bits in range(8, 64):
        assert both & {2**bits - 1, 2**bits, 2**bits + 1}, bits
    assert {2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**53, 2**53 + 1, 2**63 - 1} <= both
    # A span of four doublings anywhere has a seed in it.
    exponents = np.sort(np.log2([seed for seed in both if seed > 1]))
    assert np.diff(exponents).max() < 4


def test_a_truncation_is_mostly_its_default_and_comes_to_both_ends() -> None:
    (values,) = ranged(truncation_field())
    assert (values == 1).mean() > 0.4
    assert 4 <= (values == 0).sum() <= 12
    assert {0.25, 0.5, 0.75} <= set(values.tolist())


@pytest.mark.parametrize("dtype", ["FP32", "INT64"])
@pytest.mark.parametrize("default", [None, 3])
def test_every_number_comes_to_its_ends_and_default(dtype: str, default: int | None) -> None:
    fields = [
        condition_field(f"n{number}", (), dtype, (-5, 7), default)  # pyright: ignore[reportArgumentType]
        for number in range(4)
    ]
    for values in ranged(*fields):
        assert {-5, 7} <= set(values.tolist())
        assert default is None or default in values
        assert len(set(values.tolist())) > 4


def test_two_numbers_are_never_at_an_end_together() -> None:
    first, second = ranged(truncation_field(), condition_field("level", limits=(-1.0, 2.0), default=0.5))
    assert not ((first == 0) & np.isin(second, (-1, 2))).any()
    assert {-1, 2} <= set(second.tolist())


def test_a_sampler_takes_few_and_many_steps_with_ordinary_guidance_and_every_guidance_with_ordinary_steps() -> (
    None
):
    steps, guidance = ranged(STEPS, GUIDANCE)
    assert {1, 2, 3, 5, 8, 13, 21, 64} <= set(steps.tolist())
    assert {0, 2, 10} <= set(guidance.tolist())
    assert not (np.isin(steps, (1, 64)) & np.isin(guidance, (0, 10))).any()
    assert steps.sum() < 12 * COUNT  # many steps take long
    texts = np.zeros(COUNT, object)
    put_edges(TEXT, texts)
    foreign = np.array([not text.isascii() for text in texts])
    assert (steps[foreign] <= 2).any()
    assert (steps[foreign] >= 21).any()


def test_a_number_without_ends_keeps_its_default_and_what_was_drawn() -> None:
    field = condition_field("level", default=0.5)
    drawn = np.random.default_rng(0).standard_normal(COUNT).astype(np.float32)
    before = drawn[:3].tolist()
    put_ranged([field], [drawn])
    assert {0.5, *before} == set(drawn.tolist())
    assert not is_ranged(condition_field("level"))


def test_every_label_is_a_choice_and_of_very_many_as_many_spread_evenly() -> None:
    assert choices(label_field(tuple("abc"))).tolist() == [0, 1, 2]
    many = choices(Field(name="label", role=Role.LABEL, dtype="INT64", minimum=0, maximum=99_999))
    assert len(many) == MOST_CHOICES
    assert (many[0], many[-1]) == (0, 99_999)
    assert np.diff(many).max() <= 100_000 / MOST_CHOICES + 1
    assert len(choices(condition_field("kind", dtype="INT64", limits=(3, 9)))) == 7
    assert len(choices(condition_field("time", dtype="INT64", limits=(0, 999)))) == 0
    assert len(choices(seed_field())) == 0


@given(st.integers(3, 8), st.integers(0, 5))
def test_whatever_the_fields_extremes_are_allowed(count: int, more: int) -> None:
    fields = [
        seed_field(),
        label_field(tuple("abc")),
        truncation_field(),
        STEPS,
        GUIDANCE,
        TEXT,
        source_field(4, 4, 3),
        condition_field("words", (2, 3)),
        condition_field("pose", (2,), limits=(-1, 1)),
        condition_field("depth", (4, 4, 1), "UINT8"),
        *(condition_field(f"n{number}", limits=(0, 1)) for number in range(more)),
    ]
    generator = np.random.default_rng(0)
    drawn = [
        np.full((count, *field.shape), "a", object)
        if field.dtype == "BYTES"
        else generator.integers(0, 2, (count, *field.shape)).astype(field.numpy_dtype)
        for field in fields
    ]
    put_extremes(fields, drawn)
    for field, values in zip(fields, drawn, strict=True):
        field.check(values)


def test_extremes_combine_the_ends_of_all_numbers() -> None:
    fields = [seed_field(), STEPS, GUIDANCE, TEXT]
    drawn = [np.zeros(8, field.numpy_dtype) for field in fields]
    put_extremes(fields, drawn)
    assert set(zip(*(values.tolist() for values in drawn[:3]), strict=True)) == {
        (seed, steps, guidance) for seed in (0, 2**63 - 1) for steps in (1, 64) for guidance in (0, 10)
    }
    texts = drawn[3].tolist()
    assert 4000 < max(len(text.encode()) for text in texts) <= 4096
    assert "" in texts


def test_extreme_conditions_are_large_or_at_their_ends() -> None:
    words = np.ones((4, 2, 3), np.float32)
    pose, latent = np.zeros((4, 2), np.float32), np.ones((4, 5), np.float32)
    fields = [
        condition_field("words", (2, 3)),
        condition_field("pose", (2,), limits=(-1, 1)),
        latent_field(5),
    ]
    put_extremes(fields, [words, pose, latent])
    assert (words == 8).all()
    assert pose[:, 0].tolist() == [-1, 1, -1, 1]
    assert (latent == 2).all()


def test_conditions_begin_with_zeros_or_their_ends() -> None:
    words, pose = np.ones((6, 2), np.float32), np.full((6, 2), 0.5, np.float32)
    put_edges(condition_field("words", (2,)), words)
    put_edges(condition_field("pose", (2,), limits=(0.25, 1)), pose)
    assert not words[0].any()
    assert (words[1:] == 1).all()
    assert pose[:, 0].tolist() == [0.25, 0.25, 1, 0.5, 0.5, 0.5]


def test_a_generator_of_seeds_or_pictures_alone_has_no_extremes() -> None:
    assert not has_extremes([seed_field(), label_field(("a", "b")), source_field(4, 4, 3)])
    for field in (truncation_field(), TEXT, latent_field(4), condition_field("words", (2,))):
        assert has_extremes([seed_field(), field])
