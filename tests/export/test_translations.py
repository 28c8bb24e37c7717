import warnings

import numpy as np
import pytest
import torch
from torch import nn

from litho.export.graph import OPSET, export_graph
from litho.export.translations import translations, unread_sources
from litho.runners.base import runner_class
from litho.runners.onnxruntime import run_unoptimised
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field
from litho.signature.noise import MAX_SEED, PRIME, gaussian
from litho.training.networks.noise import Noise, as_one_operator


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


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 6, 7])
def test_the_noise_as_one_operator_becomes_the_graph_of_the_same_noise(count: int) -> None:
    seeds = np.array([0, 1, PRIME - 1, PRIME, PRIME**2, 2 * PRIME**2, MAX_SEED], np.int64)
    with as_one_operator(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            Noise(count).eval(),
            (torch.from_numpy(seeds),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["seed"],
            output_names=["noise"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            custom_translation_table=translations(),
            verbose=False,
        )
    (made,) = run_unoptimised(program.model_proto.SerializeToString(), ["noise"], {"seed": seeds}).values()
    assert (made.shape, made.dtype) == ((len(seeds), count), np.float32)
    np.testing.assert_allclose(made, gaussian(seeds, count), atol=2e-6)
