import io

import numpy as np
import pytest
from PIL import Image

from litho.signature.noise import gaussian
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.explanation.picture_files import PictureFiles
from litho.training.evaluation.explanation.strips import (
    AMOUNTS,
    DIRECTIONS,
    STARTS,
    applies,
    explain_directions,
)


def test_directions_are_measured_and_drawn(conditional: EvaluationContext) -> None:
    assert applies(conditional)
    files = PictureFiles()
    starts, directions = explain_directions(conditional, files)
    assert [point.seed for point in starts] == list(range(STARTS))
    np.testing.assert_allclose([point.latent for point in starts], gaussian(np.arange(STARTS), 8))
    assert [one.name for one in directions] == [
        f"{method}-{number + 1}" for method in ("ganspace", "sefa") for number in range(DIRECTIONS)
    ]
    for one in directions:
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-5)
        assert one.label_kept is not None
        assert {"brightness", "slant"} <= one.effects.keys()
        strip = np.asarray(Image.open(io.BytesIO(files.contents[one.strip])))
        assert strip.shape == (STARTS * 8, len(AMOUNTS) * 8)
        # What a server that takes latents makes of the document: the last picture of the second row.
        latent = np.array(starts[1].latent, np.float32) + np.float32(AMOUNTS[-1]) * np.array(
            one.vector, np.float32
        )
        made = conditional.make({"latent": latent[None], "label": np.array([starts[1].label])}, latent=True)
        np.testing.assert_array_equal(strip[8:16, -8:], made[0, ..., 0])
    # The first eigenvector moves the first layer, and with it the picture, more than directions by chance.
    first = next(one for one in directions if one.name == "sefa-1")
    assert first.change > first.random_change > 0
