"""What the writer writes, other programs read, bit by bit."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from litho.serving.gateway.png_files import encode_png


def read(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        image.load()
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@settings(deadline=None, max_examples=40)
@given(
    strategies.integers(1, 40),
    strategies.integers(1, 40),
    strategies.integers(1, 4),
    strategies.integers(0, 9),
)
def test_pillow_reads_every_bit(height: int, width: int, channels: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    assert np.array_equal(read(encode_png(image)), image)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_the_file_says_what_its_channels_are(channels: int, mode: str) -> None:
    image = np.zeros((3, 5, channels), np.uint8)
    with Image.open(BytesIO(encode_png(image))) as opened:
        opened.verify()
        assert (opened.mode, opened.size) == (mode, (5, 3))


def test_rows_need_not_be_next_to_each_other() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(read(encode_png(image[::-1, ::2])), image[::-1, ::2])


def test_smooth_pictures_become_small() -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 256).astype(np.uint8)[:, None, None], (256, 256, 3))
    assert len(encode_png(smooth)) < smooth.size / 50
