import numpy as np
import pytest

from litho.probes import Probes


@pytest.mark.parametrize(
    "prompts", [["", "een kleine cirkel", "круг 🔵"], ["", ""], ["a word"]], ids=["mixed", "empty", "one"]
)
def test_probes_keep_their_texts(prompts: list[str]) -> None:
    images = np.zeros((len(prompts), 4, 4, 1), np.uint8)
    kept = Probes.from_bytes(Probes({"prompt": np.array(prompts, dtype=object)}, images).to_bytes())
    assert kept.inputs["prompt"].dtype == object
    assert kept.inputs["prompt"].tolist() == prompts


def test_probes_keep_pictures_whose_axes_lie_in_memory_in_another_order() -> None:
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5).transpose(0, 2, 3, 1)
    kept = Probes.from_bytes(Probes({"seed": np.arange(2)}, images).to_bytes())
    np.testing.assert_array_equal(kept.images, images)
