from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from litho.serving.gateway.pictures import encode


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("form", ["png", "webp"])
def test_what_is_lossless_gives_the_same_pixels(channels: int, form: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    picture = Image.open(BytesIO(encode(image, form)))
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    if channels in (2, 4):  # what nothing shows of may have any colour
        image[image[..., -1] == 0] = 0
    pixels = np.asarray(picture.convert(mode)).reshape(image.shape).copy()
    if channels in (2, 4):
        pixels[pixels[..., -1] == 0] = 0
    assert (pixels == image).all()
