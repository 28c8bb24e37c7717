"""A grid of pictures is published once it is small enough."""

import io

import numpy as np
import pytest
from PIL import Image

from litho.benchmarks.quality import run as quality


def test_a_published_grid_is_halved_until_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG")
    assert quality._published(written.getvalue()) == written.getvalue()
    monkeypatch.setattr(quality, "MOST_BYTES", 4000)
    smaller = quality._published(written.getvalue())
    assert len(smaller) <= 4000
    with Image.open(io.BytesIO(smaller)) as image:
        assert image.size == (32, 32)
