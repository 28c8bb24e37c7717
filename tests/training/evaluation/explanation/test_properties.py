import numpy as np
import pytest

from litho.training.evaluation.explanation.properties import measure_properties


def _picture(rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros((16, 16, 1), np.uint8)
    picture[rows, columns] = 255
    return picture


def test_position_and_extent_are_those_of_what_stands_out() -> None:
    left, right = _picture(slice(4, 12), slice(2, 4)), _picture(slice(6, 8), slice(6, 14))
    found = measure_properties(np.stack([left, right]))
    assert found["position across"][0] < -0.5 < 0 < found["position across"][1]
    assert found["height"][0] > found["height"][1]
    assert found["width"][0] < found["width"][1]
    # A picture with black and white exchanged has its ink where it was.
    inverted = measure_properties(255 - np.stack([left, right]))
    np.testing.assert_allclose(inverted["position across"], found["position across"], atol=1e-6)


def test_what_leans_to_the_right_has_a_positive_slant() -> None:
    upright, leaning = np.zeros((2, 16, 16, 1), np.uint8)
    upright[2:14, 8] = 255
    for row in range(2, 14):
        leaning[row, 15 - row] = 255
    slants = measure_properties(np.stack([upright, leaning, leaning[:, ::-1]]))["slant"]
    assert slants == pytest.approx([0, 1, -1], abs=0.01)


def test_colours_are_measured_where_there_are_any() -> None:
    red, grey = np.full((2, 4, 4, 3), 128, np.uint8)
    red[..., 1:] = 0
    found = measure_properties(np.stack([red, grey]))
    assert found["redness"] == pytest.approx([128 / 255, 0])
    assert found["colourfulness"][0] > found["colourfulness"][1] == 0
    assert "redness" not in measure_properties(grey[None, ..., :1])


def test_a_plain_picture_gives_finite_values() -> None:
    found = measure_properties(np.zeros((1, 8, 8, 1), np.uint8))
    assert all(np.isfinite(values).all() for values in found.values())
