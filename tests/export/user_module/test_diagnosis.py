"""What is said of a module whose graph cannot be made: which part, which line, which operator, what to change."""

import numpy as np
import pytest
import torch
from torch import nn

from litho.errors import ExportError
from litho.export.graph import export_graph
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field

pytestmark = pytest.mark.slow

SIGNATURE = Signature(inputs=(latent_field(4),), output=image_output(2, 2, 1))


class Part(nn.Module):
    """Does what a test wants to be told of."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        match self.fault:
            case "operator":
                return torch.special.airy_ai(x)
            case "inverse":
                return x @ torch.linalg.inv(torch.eye(4) * 2)
            case "control flow":
                return x * 2 if x.sum() > 0 else x
            case "a value read":
                return x * float(np.float32(x.sum().item() > 0))
            case "random":
                return x + torch.randn(len(x), 4)
            case "uniform":
                return x + torch.rand_like(x)
            case "shapes":
                return x @ torch.ones(5, 5)
            case "complex":
                return torch.exp(1j * x).real
            case "sparse":
                return torch.sparse.mm(torch.eye(4).to_sparse(), x.t()).t()
            case "a loop":
                for _ in range(x.shape[0]):
                    x = x * 1.1
            case "a length":
                return x + torch.arange(len(x))[:, None]
            case "a branch":
                return x * 2 if x.shape[0] == 2 else x
            case "a quotient":
                return x.reshape(int(x.shape[0] / 1), 4)
            case "a view":
                return x.view(2, 4) * 2
        return x


class Net(nn.Module):
    """Its second layer is the one that fails."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), Part(fault))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.layers(latent).reshape(-1, 2, 2, 1).to(torch.uint8)


@pytest.mark.parametrize(
    ("fault", "complaint", "line"),
    [
        (
            "operator",
            "operator aten.special_airy_ai has no ONNX equivalent",
            "return torch.special.airy_ai(x)",
        ),
        (
            "inverse",
            "if it takes weights only, compute it when the module is built and keep it as a buffer",
            "return x @ torch.linalg.inv(torch.eye(4) * 2)",
        ),
        ("control flow", "control flow depends on tensor values", "return x * 2 if x.sum() > 0 else x"),
        ("a value read", "control flow depends on tensor values", "x.sum().item() > 0"),
        ("random", "the graph draws random numbers by RandomNormalLike", "return x + torch.randn(len(x), 4)"),
        ("uniform", "the graph draws random numbers by RandomUniformLike", "return x + torch.rand_like(x)"),
        ("complex", "operator aten.mul.Scalar computes complex numbers", "return torch.exp(1j * x).real"),
        (
            "sparse",
            "operator aten._sparse_addmm.default cannot be exported",
            "return torch.sparse.mm(torch.eye(4).to_sparse(), x.t()).t()",
        ),
        ("shapes", "RuntimeError: ", "return x @ torch.ones(5, 5)"),
    ],
)
def test_part_line_and_reason_are_named(
    fault: str, complaint: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError) as refused:
        export_graph(Net(fault).eval(), SIGNATURE, {})
    said = str(refused.value)
    assert complaint in said
    assert " in 'layers.1' (Part) at " in said
    assert "test_diagnosis.py:" in said
    assert line in said
    assert "\n" not in said
    # torch prints the graph that it had until then.
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("a loop", "for _ in range(x.shape[0]):"),
        ("a length", "return x + torch.arange(len(x))[:, None]"),
        ("a branch", "return x * 2 if x.shape[0] == 2 else x"),
        ("a quotient", "return x.reshape(int(x.shape[0] / 1), 4)"),
        ("a view", "return x.view(2, 4) * 2"),
    ],
)
def test_the_line_that_fixes_the_batch_is_named(fault: str, line: str) -> None:
    with pytest.raises(ExportError) as refused:
        export_graph(Net(fault).eval(), SIGNATURE, {})
    said = str(refused.value)
    assert said.startswith("the batch size is fixed in 'layers.1' (Part) at ")
    assert f"`{line}`; take it from the input as x.shape[0]" in said


def test_a_sound_module_is_exported() -> None:
    assert export_graph(Net("").eval(), SIGNATURE, {})
