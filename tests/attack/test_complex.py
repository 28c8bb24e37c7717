"""Complex numbers: where a runtime computes them right they pass, and where not they are named as the cause."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import litho
from litho.bundle.manifest import Verdict

SIGNATURE: dict[str, Any] = {
    "inputs": [{"role": "seed", "shape": [3, 8, 8]}],
    "output": {"height": 8, "width": 8, "channels": 3},
}


class Filter(nn.Module):
    """Halves the frequencies of a picture: what the exporter translates right."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(x) * 0.5).real


class Product(nn.Module):
    """A product of complex matrices: the exporter takes it for one of real matrices."""

    def forward(self, x: Tensor) -> Tensor:
        both = torch.complex(x, x)
        return (both @ both.transpose(-1, -2)).real


class Spectral(nn.Module):
    """A convolution of complex pictures, from which no valid graph is made."""

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.ones(3, 3, 3, 3, dtype=torch.complex64) / 10
        return nn.functional.conv2d(torch.complex(x, x), weights, padding=1).real


class Net(nn.Module):
    """A convolution, then one of these."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), part)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layers(z))


def verdict_of(part: nn.Module, folder: Path) -> Verdict:
    torch.manual_seed(0)
    bundle = litho.export_model(Net(part).eval(), signature=SIGNATURE, to=folder / "bundle", timed=False)
    return bundle.manifest.variants[0].verdict


@pytest.mark.slow
def test_a_filter_of_frequencies_is_proven(tmp_path: Path) -> None:
    assert verdict_of(Filter(), tmp_path).status == "passed"


@pytest.mark.slow
def test_a_verdict_names_complex_numbers_and_the_part(tmp_path: Path) -> None:
    verdict = verdict_of(Product(), tmp_path)
    assert verdict.status == "failed"
    assert (
        "; the module computes complex numbers in 'layers.1' (Product), which the exporter" in verdict.reason
    )
    assert str(Path.cwd()) not in verdict.reason


@pytest.mark.slow
def test_a_graph_that_is_not_valid_names_complex_numbers(tmp_path: Path) -> None:
    with pytest.raises(litho.LithoError) as refused:
        verdict_of(Spectral(), tmp_path)
    assert "the module computes complex numbers in 'layers.1' (Spectral) at " in str(refused.value)
    assert "\n" not in str(refused.value)
