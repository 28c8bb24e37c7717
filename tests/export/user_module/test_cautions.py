"""Mistakes in a signature file that a proof cannot find, because PyTorch makes the same pictures."""

from pathlib import Path

import pytest
import torch
from torch import nn

from litho import export_model
from litho.export.user_module.cautions import cautions


class Flat(nn.Module):
    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 12)
        self.low, self.high = low, high

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(self.layer(z)).reshape(-1, 3, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1, 1, []),
        (0, 255, ["100.0% of the values in the probes' pictures are black or white; "]),
        (0, 1, ["no value in the probes' pictures is below 1"]),
    ],
)
def test_pictures_that_a_wrong_range_cuts_off_or_fades_are_told(
    low: float, high: float, expected: list[str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    signature = {
        "inputs": [{"role": "seed", "shape": [4]}],
        "output": {"height": 2, "width": 2, "channels": 3},
    }
    bundle = export_model(Flat(low, high).eval(), signature=signature, to=tmp_path / "flat", timed=False)
    found = cautions(bundle, own_weights=True)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
    (first, *_) = cautions(bundle, own_weights=False)
    assert first.startswith("no --weights: the graphs have the weights that ")
    assert "Flat gave" in first
