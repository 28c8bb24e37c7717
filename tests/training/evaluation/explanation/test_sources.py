import numpy as np
import pytest
import torch

from litho.training.evaluation.explanation.picture_files import PictureFiles
from litho.training.evaluation.explanation.sources import explain_sources, most_detailed, regions_of
from litho.training.models import family

from ..conftest import Split, context_of
from .conftest import untrained_net


def test_regions_cover_every_pixel_once() -> None:
    for height, width in ((8, 8), (28, 30), (3, 64), (1, 1)):
        counts = np.zeros((height, width), int)
        for top, left, bottom, right in regions_of(height, width):
            counts[top:bottom, left:right] += 1
        assert (counts == 1).all()
    assert len(regions_of(64, 64)) == 64
    assert len(regions_of(8, 8)) == 16


def test_the_most_detailed_region_is_the_one_that_varies() -> None:
    picture = np.full((16, 16, 1), 200, np.uint8)
    picture[9, 6] = 0
    assert most_detailed(picture) == (8, 4, 12, 8)


def test_nothing_hangs_on_the_pixels_inside_a_hole(digits: Split) -> None:
    torch.manual_seed(0)
    generator = family("inpaint").generator(resolution=8, width=4, blocks=1).requires_grad_(False)
    torch.nn.init.normal_(generator.get_submodule("network.last").get_parameter("weight"))
    files = PictureFiles()
    for example in explain_sources(context_of(generator, digits, untrained_net(1), samples=10), files):
        occlusion, gradients = example.attributions
        assert gradients.target is not None
        top, left, bottom, right = gradients.target
        inside = 0
        for one, other in zip(occlusion.causes, gradients.causes, strict=True):
            assert one.region is not None
            if (
                top <= one.region[0]
                and left <= one.region[1]
                and one.region[2] <= bottom
                and one.region[3] <= right
            ):
                inside += 1
                assert (one.change, one.share) == (0, 0)
                assert other.share == pytest.approx(0, abs=1e-7)
        assert inside
        assert sum(cause.share for cause in occlusion.causes) == pytest.approx(1)
        assert sum(cause.share for cause in gradients.causes) + gradients.remainder == pytest.approx(1)
        assert abs(gradients.remainder) < 0.1
        assert example.images.keys() == {"source", "mask"}
        assert {
            *example.images.values(),
            occlusion.heat,
            gradients.heat,
            example.made,
        } <= files.contents.keys()
