from typing import Any

import pytest
import torch
from torch import Tensor, nn

from litho.errors import ExportError, UnknownName
from litho.export.engine import build_engine
from litho.export.graph import export_graph
from litho.signature import Signature, image_output, mask_field, seed_field, source_field
from litho.training.models import Generator
from litho.training.picture import Picture


class Filler(Generator):
    """Fills the hole of a picture by one convolution, with noise where there is any."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.convolution = nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        *noise, source, mask = inputs
        known = source * (1 - mask)
        levels = sum((latent.mean(1)[:, None, None, None] for latent in noise), torch.zeros_like(mask))
        return known + mask * torch.tanh(self.convolution(torch.cat((known, mask, levels + 0 * mask), 1)))

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        seed = (seed_field(),) if self.latent_size else ()
        inputs: Any = (*seed, source_field(16, 12, 3), mask_field(16, 12))
        return Signature(inputs=inputs, output=image_output(16, 12, 3))


@pytest.mark.parametrize("latent_size", [0, 3])
def test_engines_take_images_and_masks(latent_size: int) -> None:
    torch.manual_seed(0)
    generator = Filler(latent_size)
    picture = Picture(generator, generator.signature()).eval()
    graph = export_graph(picture, picture.signature, {})
    steps: list[str] = []
    engine = build_engine(graph, picture.signature, "sm86", (1, 2, 4), lambda step, share: steps.append(step))
    assert len(engine) > 10_000
    assert steps


def test_what_is_no_graph_or_no_target_is_refused_in_one_line() -> None:
    signature = Filler(0).signature()
    with pytest.raises(ExportError, match="does not parse") as refused:
        build_engine(b"nonsense", signature, "sm86", (1, 2, 4))
    assert "\n" not in str(refused.value)
    with pytest.raises(UnknownName, match="unknown target 'sm68'"):
        build_engine(b"", signature, "sm68", (1, 2, 4))
