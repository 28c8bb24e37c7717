import numpy as np
import pytest
import torch
from torch import nn

from litho.export.graph import export_graph
from litho.export.translations import unread_sources
from litho.runners.base import runner_class
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field


class Rendered(nn.Module):
    """Light that passes through the layers of a volume, as a generator of radiance fields has it."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = torch.nn.Parameter(torch.tensor(0.9))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        passed = torch.cumprod(torch.sigmoid(latent).reshape(-1, 6, 2, 2), 1)[:, 1:4]
        light = torch.sigmoid(latent + 3).prod(1)[:, None, None, None]
        light = light * self.strength.squeeze(-1)
        return (255 * passed * light).squeeze(1).squeeze(-1).to(torch.uint8).permute(0, 2, 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_products_and_squeezes_are_those_of_torch(runtime: str) -> None:
    signature = Signature(inputs=(latent_field(24),), output=image_output(2, 2, 3))
    given = signature.example(5)
    wanted = Rendered()(torch.from_numpy(given["latent"])).numpy()
    graph = export_graph(Rendered().eval(), signature, {})
    with runner_class(runtime).from_graph(graph, signature) as runner:
        assert np.abs(runner.run(given)["image"].astype(int) - wanted).max() <= 1
    assert wanted.std() > 5


@pytest.mark.slow
def test_unread_functions_tell_the_domain_that_their_source_says() -> None:
    # A private name of onnxscript, but the one that torch calls for each graph.
    from onnxscript._framework_apis.torch_2_5 import get_torchlib_ops

    read = [(one.qualified_name, one.domain, one.name) for one in get_torchlib_ops()]
    with unread_sources(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspect.getsourcelines", lambda _: pytest.fail("a source is read"))
        unread = [(one.qualified_name, one.domain, one.name) for one in get_torchlib_ops()]
    assert len(read) > 300
    assert unread == read
