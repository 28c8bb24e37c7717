import numpy as np
import torch
from torch import nn

from litho.export.validation.make_probes import make_probes
from litho.parity.probe_inputs import PROBE_COUNT
from litho.runners.torch import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, mask_field, source_field


class Emptied(nn.Module):
    """The source, black inside the hole."""

    signature = Signature(inputs=(source_field(6, 4, 3), mask_field(6, 4)), output=image_output(6, 4, 3))

    def forward(self, source: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.where(mask > 0, torch.zeros_like(source), source)


def test_probes_of_images_begin_with_black_white_and_the_finest_pattern() -> None:
    probes = make_probes(Runner(Emptied()))
    source, mask = probes.inputs["source"], probes.inputs["mask"]
    assert len(probes.images) == len(source) == len(mask) == PROBE_COUNT
    assert [np.unique(image).tolist() for image in source[:3]] == [[0], [255], [0, 255]]
    assert (np.abs(np.diff(source[2].astype(int), axis=0)) == 255).all()
    assert (np.abs(np.diff(source[2].astype(int), axis=1)) == 255).all()
    # No hole, nothing but hole, and a hole whose mask is as little as it may be.
    assert [np.unique(hole).tolist() for hole in mask[:3]] == [[0], [255], [0, 1]]
    assert not probes.images[mask.repeat(3, axis=3) > 0].any()
    assert len({image.tobytes() for image in source}) == PROBE_COUNT
