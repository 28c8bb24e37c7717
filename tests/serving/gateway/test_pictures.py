from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.pictures import Encoding, PictureFormat, encode, hole_of, size_of, visible

from .conftest import png

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def random_pixels(channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)


@pytest.mark.parametrize("channels", MODES)
@pytest.mark.parametrize("form", ["png", "webp"])
def test_what_is_lossless_gives_the_same_pixels(channels: int, form: PictureFormat) -> None:
    image = random_pixels(channels)
    encoding = Encoding(form)
    assert encoding.quality is None
    picture = Image.open(BytesIO(encode(visible(image, encoding), encoding)))
    if channels % 2 == 0:
        assert "A" in picture.getbands()
    mode = "RGBA" if channels % 2 == 0 else "RGB"
    expected = Image.fromarray(image[..., 0] if channels == 1 else image, MODES[channels]).convert(mode)
    assert (np.asarray(picture.convert(mode)) == np.asarray(expected)).all()


@pytest.mark.parametrize("channels", MODES)
def test_jpeg_has_no_alpha_and_is_close(channels: int) -> None:
    image = np.full((8, 8, channels), 200, np.uint8)
    encoding = Encoding("jpeg", 90)
    assert encoding.quality == 90
    shown = visible(image, encoding)
    assert shown.shape[2] == channels - (channels % 2 == 0)
    assert (
        np.abs(np.asarray(Image.open(BytesIO(encode(shown, encoding)))).astype(int) - shown.squeeze()).max()
        <= 2
    )


def test_an_opaque_background_is_white() -> None:
    image = np.zeros((2, 2, 4), np.uint8)
    assert (visible(image, Encoding(opaque=True)) == 255).all()
    assert visible(image, Encoding()) is image


def test_a_hole_keeps_its_shape_when_it_is_resized() -> None:
    alpha = np.full((8, 8, 4), 255, np.uint8)
    alpha[2:6, 2:6, 3] = 0
    mask = hole_of(png(alpha), "mask", (4, 4))
    assert mask.shape == (1, 4, 4, 1)
    assert (mask[0, 1:3, 1:3] == 255).all()
    assert mask.sum() == 4 * 255


def test_half_transparent_is_no_hole() -> None:
    with pytest.raises(ApiError, match="has no hole: transparent pixels are the hole"):
        hole_of(png(np.full((4, 4, 4), 128, np.uint8)), "mask", (4, 4))


def test_the_limit_is_known_before_anything_is_decoded() -> None:
    content = png(np.zeros((10, 20), np.uint8))
    assert size_of(content, "image", 200) == (10, 20)
    with pytest.raises(ApiError, match="more than 199 pixels") as failed:
        size_of(content, "image", 199)
    assert failed.value.code == "image_too_large"
