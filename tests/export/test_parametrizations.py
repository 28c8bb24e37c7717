"""Computed weights become plain ones in a copy, whose pictures are the same."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm

from litho.export.parametrizations import without_parametrizations


class Doubled(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def _doubled(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, "bias", Doubled())
    parametrize.register_parametrization(module, "weight", Doubled())
    return module


@pytest.mark.parametrize(
    "computed",
    [
        spectral_norm,
        pytest.param(
            weight_norm,
            marks=pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning"),
        ),
        parametrizations.spectral_norm,
        parametrizations.weight_norm,
        parametrizations.orthogonal,
        _doubled,
    ],
    ids=[
        "old spectral norm",
        "old weight norm",
        "spectral norm",
        "weight norm",
        "orthogonal",
        "of one's own",
    ],
)
def test_the_copy_has_plain_weights_and_gives_the_same(computed: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(computed(nn.Linear(4, 4)), nn.ReLU(), computed(nn.Linear(4, 3)))
    module(torch.randn(8, 4))  # in training mode: the weights are the results of a call, with gradients
    module.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    plain = without_parametrizations(module)
    given = torch.randn(8, 4)
    assert torch.equal(plain(given), module(given))
    assert set(dict(plain.named_parameters())) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert not any(part._forward_pre_hooks for part in plain.modules())
    # The user's module is as it was.
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert len(module.state_dict()) == len(before)


def test_a_module_with_plain_weights_is_not_copied() -> None:
    module = nn.Sequential(nn.Linear(2, 2)).eval()
    assert without_parametrizations(module) is module


def test_a_module_that_cannot_be_copied_stays_as_it_is() -> None:
    module = nn.Sequential(parametrizations.spectral_norm(nn.Linear(2, 2))).eval()
    module.generator = (number for number in range(2))  # type: ignore[assignment]
    assert without_parametrizations(module) is module
    assert parametrize.is_parametrized(module[0])
