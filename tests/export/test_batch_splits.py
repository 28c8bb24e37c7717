from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litho.errors import ExportError
from litho.export.graph import export_graph
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field

pytestmark = pytest.mark.slow

SIGNATURE = Signature(inputs=(latent_field(12),), output=image_output(2, 2, 3))


class Guided(nn.Module):
    """Computes with and without a condition in one batch, and tells the two apart in one way or another."""

    def __init__(self, halves: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.halves = halves

    def forward(self, latent: Tensor) -> Tensor:
        with_it, without = self.halves(torch.cat([latent, latent * 0.5]))
        made = torch.sigmoid(without + 1.5 * (with_it - without)) * 255
        return made.reshape(-1, 2, 2, 3).to(torch.uint8)


@pytest.mark.parametrize(
    "halves",
    [
        lambda both: both.chunk(2),
        lambda both: torch.chunk(both, chunks=2, dim=0),
        lambda both: torch.split(both, both.shape[0] // 2),
        lambda both: both.split(split_size=both.shape[0] // 2, dim=-2),
    ],
    ids=["chunk", "chunk by name", "split", "split by name"],
)
def test_the_halves_of_a_guided_batch_are_those_of_torch(
    halves: Callable[[Tensor], tuple[Tensor, ...]],
) -> None:
    module = Guided(halves).eval()
    with Runner(export_graph(module, SIGNATURE, {}), SIGNATURE) as runner:
        for batch in (1, 2, 5):
            given = SIGNATURE.example(batch)
            wanted = module(torch.from_numpy(given["latent"])).numpy()
            assert np.abs(runner.run(given)["image"].astype(int) - wanted).max() <= 1


def test_a_batch_whose_number_of_parts_depends_on_it_is_refused() -> None:
    with pytest.raises(ExportError, match=r"must match the size of tensor b \(s\d+ - 1\).* in Guided at"):
        export_graph(Guided(lambda both: (both[1:].chunk(2) * 2)[:2]).eval(), SIGNATURE, {})
