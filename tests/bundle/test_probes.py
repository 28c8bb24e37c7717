from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from litho.bundle.probes import PERIOD, Probes, in_words
from litho.errors import BundleError


@pytest.mark.parametrize(
    "prompts", [["", "een kleine cirkel", "круг 🔵"], ["", ""], ["a word"]], ids=["mixed", "empty", "one"]
)
def test_probes_keep_their_texts(prompts: list[str]) -> None:
    images = np.zeros((len(prompts), 4, 4, 1), np.uint8)
    kept = Probes.from_bytes(Probes({"prompt": np.array(prompts, dtype=object)}, images).to_bytes())
    assert kept.inputs["prompt"].dtype == object
    assert kept.inputs["prompt"].tolist() == prompts


def test_probes_keep_those_of_other_sizes_apart() -> None:
    banks = [
        Probes({"text": np.array(["a", ""], dtype=object)}, np.full((2, side, 3, 1), side, np.uint8))
        for side in range(1, 13)
    ]
    kept = Probes.from_bytes(replace(banks[0], others=tuple(banks[1:])).to_bytes())
    for bank, wanted in zip((kept, *kept.others), banks, strict=True):
        np.testing.assert_array_equal(bank.images, wanted.images)
        assert bank.inputs["text"].tolist() == ["a", ""]


def test_probes_keep_pictures_whose_axes_lie_in_memory_in_another_order() -> None:
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5).transpose(0, 2, 3, 1)
    kept = Probes.from_bytes(Probes({"seed": np.arange(2)}, images).to_bytes())
    np.testing.assert_array_equal(kept.images, images)


def test_banks_keep_their_names_and_strides() -> None:
    seeds, images = np.arange(3), np.zeros((3, 8, 6, 1), np.uint8)
    labels = Probes({"seed": seeds}, images[:, ::4, ::4], name="labels", stride=4)
    kept = Probes.from_bytes(Probes({"seed": seeds}, images, (labels,)).to_bytes())
    assert (kept.name, kept.stride) == ("probes", 1)
    assert [(bank.name, bank.stride, bank.images.shape) for bank in kept.others] == [
        ("labels", 4, (3, 2, 2, 1))
    ]
    assert kept.others[0].strided(images).shape == (3, 2, 2, 1)


def test_banks_of_before_they_had_names_are_those_of_other_sizes() -> None:
    arrays = {
        "input.source": np.zeros((2, 8, 8, 1), np.uint8),
        "image": np.zeros((2, 8, 8, 1), np.uint8),
        "1.input.source": np.zeros((2, 4, 6, 1), np.uint8),
        "1.image": np.ones((2, 4, 6, 1), np.uint8),
    }
    kept = Probes.from_bytes(save(arrays))
    assert [(bank.name, bank.stride) for bank in (kept, *kept.others)] == [("probes", 1), ("size 4x6", 1)]
    assert kept.others[0].images.all()


def test_values_that_come_again_are_written_once() -> None:
    count = 500
    sources = np.random.default_rng(0).integers(0, 256, (PERIOD, 16, 16, 3), np.uint8)[
        np.arange(count) % PERIOD
    ]
    images = np.zeros((count, 1, 1, 1), np.uint8)
    words = np.array([f"word {number % PERIOD}" for number in range(count)], object)
    content = Probes({"source": sources, "text": words, "label": np.arange(count)}, images).to_bytes()
    assert len(content) < sources.nbytes / 10
    kept = Probes.from_bytes(content)
    np.testing.assert_array_equal(kept.inputs["source"], sources)
    assert kept.inputs["text"].tolist() == words.tolist()
    assert kept.inputs["label"].tolist() == list(range(count))


@pytest.mark.parametrize(
    "arrays",
    [
        {"input.seed": np.arange(3), "image": np.zeros((2, 4, 4, 1), np.uint8)},
        {"input.seed": np.arange(0), "image": np.zeros((2, 4, 4, 1), np.uint8)},
        {"input.seed": np.arange(2), "image": np.zeros((2, 4), np.uint8)},
        {"input.seed": np.arange(2), "image": np.zeros((2, 4, 4, 1), np.uint8), "stride": np.array([0])},
        {"input.seed": np.arange(2), "image": np.zeros((2, 4, 4, 1), np.uint8), "1.input.seed": np.arange(2)},
    ],
    ids=["more inputs", "no inputs", "no pictures", "no stride", "a bank without pictures"],
)
def test_banks_that_contradict_themselves_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError, match="not a file of probes"):
        Probes.from_bytes(save(arrays))


def test_inputs_are_said_in_words() -> None:
    inputs = {
        "seed": np.array([3, 2**40]),
        "guidance": np.array([0.5, 2], np.float32),
        "prompt": np.array(["a\ncircle", "b" * 50], object),
        "words": np.zeros((2, 5), np.float32),
    }
    assert in_words(inputs, 0) == "seed 3, guidance 0.5, prompt “a circle”"
    assert in_words(inputs, 1) == f"seed {2**40}, guidance 2, prompt “{'b' * 40}…”"


def test_probes_that_are_not_probes_are_refused() -> None:
    with pytest.raises(BundleError, match="not a file of probes"):
        Probes.from_bytes(b"nonsense")
