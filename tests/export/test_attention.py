from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litho.export.graph import export_graph
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field

pytestmark = pytest.mark.slow

SIGNATURE = Signature(inputs=(latent_field(24),), output=image_output(2, 4, 3))

attend = nn.functional.scaled_dot_product_attention


class Attentive(nn.Module):
    """Lets parts of its noise look at one another, in one layout or another."""

    def __init__(self, attention: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, latent: Tensor) -> Tensor:
        made = torch.sigmoid(self.attention(latent.reshape(-1, 4, 6)).reshape(-1, 2, 4, 3)) * 255
        return made.to(torch.uint8)


@pytest.mark.parametrize(
    "attention",
    [
        lambda x: attend(x, x, x),
        lambda x: attend(x, 2 * x, x, is_causal=True),
        lambda x: attend(x, x, x, torch.arange(4.0) * torch.ones(len(x.shape), 1)[:1]),
        lambda x: attend(x, x, x, x[:, :, :4] > -0.5, scale=0.3),
        lambda x: attend(*(x.reshape(-1, 2, 1, 2, 6) for _ in range(3))),
        lambda x: attend(*(x.reshape(-1, 1, 4, 6) for _ in range(3))),
    ],
    ids=["three axes", "causal", "one mask", "masks", "five axes", "four axes"],
)
def test_attention_on_any_number_of_axes_is_that_of_torch(attention: Callable[[Tensor], Tensor]) -> None:
    module = Attentive(attention).eval()
    with Runner(export_graph(module, SIGNATURE, {}), SIGNATURE) as runner:
        for batch in (1, 5):
            given = SIGNATURE.example(batch)
            wanted = module(torch.from_numpy(given["latent"])).numpy()
            assert np.abs(runner.run(given)["image"].astype(int) - wanted).max() <= 1
    assert wanted.std() > 5
