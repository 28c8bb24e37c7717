import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.measuring.requests import MAX_BLOCK_BYTES, Requests
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, latent_field, seed_field, source_field
from litho.signature.noise import MAX_SEED

SIGNATURE = Signature(inputs=(seed_field(), label_field(("a", "b", "c"))), output=image_output(4, 4, 1))


@given(
    st.integers(0, MAX_SEED) | st.integers(MAX_SEED - 5000, MAX_SEED),
    st.lists(st.integers(1, 3000), min_size=1, max_size=8),
)
def test_no_seed_comes_twice_and_every_request_is_allowed(first, batches):
    requests = Requests(SIGNATURE, first)
    seeds = []
    for batch in batches:
        inputs = requests.take(batch)
        SIGNATURE.check(inputs)
        assert len(inputs["seed"]) == len(inputs["label"]) == batch
        seeds += inputs["seed"].tolist()
    assert seeds == [(first + index) % (MAX_SEED + 1) for index in range(sum(batches))]
    assert requests.pictures == len(seeds)


def test_latents_of_a_generator_without_seed_differ_from_block_to_block():
    requests = Requests(Signature(inputs=(latent_field(2),), output=image_output(4, 4, 1)), 0)
    drawn = {tuple(requests.take(1)["latent"][0].tolist()) for _ in range(10_000)}
    assert len(drawn) == 10_000


@pytest.mark.slow
def test_images_of_a_generator_without_seed_differ_from_block_to_block():
    requests = Requests(Signature(inputs=(source_field(64, 64, 3),), output=image_output(4, 4, 1)), 0)
    drawn = [requests.take(100)["source"] for _ in range(20)]
    assert len({image.tobytes() for images in drawn for image in images}) == 2_000


def test_large_fields_are_not_drawn_far_ahead():
    inputs = (source_field(1024, 1024, 3), seed_field())
    requests = Requests(Signature(inputs=inputs, output=image_output(4, 4, 1)), 0)
    assert requests.take(2)["source"].base.nbytes <= MAX_BLOCK_BYTES
