from dataclasses import replace

import numpy as np
import pytest

from litho.bundle.probes import Probes
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


def test_probes_that_are_not_probes_are_refused() -> None:
    with pytest.raises(BundleError, match="not a file of probes"):
        Probes.from_bytes(b"nonsense")
