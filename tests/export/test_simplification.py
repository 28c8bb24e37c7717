import numpy as np
import onnx
import pytest
import torch
from torch import nn

from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.runners.base import runner_class
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field

pytestmark = pytest.mark.slow


class Faint(nn.Module):
    """Numbers near 0 and near 1 that decide what is seen: of a linear attention, of a norm, and of a long product."""

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        query, key, value = torch.relu(latent.reshape(-1, 3, 4, 4) - 0.5).unbind(1)
        scores = nn.functional.pad(value, (0, 0, 0, 1), value=1.0) @ key.mT @ query
        attended = scores[:, :-1] / (scores[:, -1:] + 1e-15)
        dark = latent[:, :16].reshape(-1, 4, 4) * 1e-5
        normed = dark * torch.rsqrt((dark - 1e-9).square().mean((1, 2), keepdim=True) + 1e-8)
        weighed = (latent[:, 16:32].reshape(-1, 4, 4) * 1.000009 - latent[:, 16:32].reshape(-1, 4, 4)) * 1e5
        shares = (latent[:, 32:].reshape(-1, 4, 4) / 0.999992 - latent[:, 32:].reshape(-1, 4, 4)) * 1e5
        planes = torch.stack((attended, normed * 100, weighed, shares), -1)
        return (torch.sigmoid(planes) * 255).to(torch.uint8)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_numbers_near_zero_and_one_keep_their_worth(runtime: str) -> None:
    signature = Signature(inputs=(latent_field(48),), output=image_output(4, 4, 4))
    given = signature.example(5)
    given["latent"][0] = -1.0  # nothing to attend to: 0 / (0 + 1e-15) is 0, and 0 / 0 is not
    wanted = Faint()(torch.from_numpy(given["latent"])).numpy()
    graph = export_graph(Faint().eval(), signature, {})
    adapted, _ = apply_passes(graph, {*default_passes(), *runner_class(runtime).passes})
    with runner_class(runtime).from_graph(adapted, signature) as runner:
        # 1.000009 has few digits in FP32: an ulp of it is a hundredth of what it adds.
        assert np.abs(runner.run(given)["image"].astype(int) - wanted).max() <= 3
    assert all(wanted[..., plane].std() > 5 for plane in range(4))


class Neutral(nn.Module):
    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        rows = (((latent * 1.0 + 0.0) / 1.0) - 0.0).reshape(-1, 4, 4, 3)
        return (torch.sigmoid(rows) * 255).to(torch.uint8)


def test_what_changes_nothing_is_removed() -> None:
    signature = Signature(inputs=(latent_field(48),), output=image_output(4, 4, 3))
    model = onnx.load_from_string(export_graph(Neutral().eval(), signature, {}))
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Sigmoid", "Mul", "Cast"]
