import numpy as np
import pytest

from litho.benchmarks.load.measuring.mix import Mix
from litho.errors import UsageError
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field

STEPS = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=50, default=4)
SAMPLER = Signature(inputs=(seed_field(), STEPS), output=image_output(4, 4, 1))
SOURCE = Field(name="source", role=Role.IMAGE, dtype="UINT8", shape=(8, 8, 1), minimum=0, maximum=255)
FREE = Signature(inputs=(SOURCE,), output=image_output(8, 8, 1)).with_free_size(4, 32, 4)


def drawn(text, signature=SAMPLER, count=400):
    return Mix.parse(text).draw(signature, count, 2, np.random.default_rng(1))


def test_kinds_come_as_often_as_their_weights_say():
    requests = drawn("steps=4,n=3:3; steps=20")
    few = [one for one in requests if len(one["seed"]) == 3]
    assert all((one["steps"] == 4).all() for one in few)
    assert all(
        (one["steps"] == 20).all() and len(one["seed"]) == 2 for one in requests if len(one["seed"]) != 3
    )
    assert len(few) / len(requests) == pytest.approx(0.75, abs=0.08)


def test_a_mix_in_order_keeps_it():
    mix = Mix(({"n": "1"}, {"n": "3"}, {"n": "2"}), (1.0, 1.0, 1.0), in_order=True)
    requests = mix.draw(SAMPLER, 5, 1, np.random.default_rng())
    assert [len(one["seed"]) for one in requests] == [1, 3, 2, 1, 3, 2]


def test_sizes_of_a_generator_that_takes_any():
    shapes = {one["source"].shape for one in drawn("size=8x12;size=16x4,n=1", FREE, 20)}
    assert shapes == {(2, 8, 12, 1), (1, 16, 4, 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps", "it takes kinds such as"),
        ("steps=4:often", "it takes kinds such as"),
        ("steps=4:0", "positive numbers"),
        ("step=4", "this generator takes n, size, steps"),
        ("seed=4", "this generator takes n, size, steps"),
        ("steps=many", "it takes a whole number"),
        ("n=0", "it takes a whole number"),
        ("steps=51", "--mix was given .*51"),
        ("size=4x4", "have one size"),
    ],
)
def test_what_the_generator_does_not_take_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        drawn(text)


def test_sizes_that_are_not_allowed_are_refused():
    for text in ("size=8", "size=7x8", "size=64x64"):
        with pytest.raises(UsageError, match="--mix was given"):
            drawn(text, FREE)
