import io

import numpy as np
from PIL import Image

from litho.training.evaluation.explanation.picture_files import MOST_PIXELS, PictureFiles


def _opened(files: PictureFiles, name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(files.contents[name])))


def test_pictures_and_maps_are_stored_by_name() -> None:
    files = PictureFiles()
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert files.add("one", picture) == "one.png"
    np.testing.assert_array_equal(_opened(files, "one.png"), picture)
    files.add_map("map", np.array([[0.0, 10.0], [20.0, 40.0]]), 20.0)
    assert _opened(files, "map.png").tolist() == [[0, 128], [255, 255]]
    files.add_map("nothing", np.zeros((2, 2)), 0.0)
    assert _opened(files, "nothing.png").max() == 0


def test_a_strip_has_rows_and_columns_without_gaps() -> None:
    files = PictureFiles()
    pictures = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    strip = _opened(files, files.add_strip("strip", pictures, 3))
    assert strip.shape == (4, 9)
    assert strip[::2, ::3].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_large_pictures_are_reduced_by_a_whole_factor() -> None:
    files = PictureFiles()
    large = np.zeros((300, 2 * MOST_PIXELS + 2, 1), np.uint8)
    large[:150] = 90
    small = _opened(files, files.add("large", large))
    assert small.shape == (100, (2 * MOST_PIXELS + 2) // 3)
    assert (small[0, 0], small[-1, -1]) == (90, 0)
