"""One step of an optimizer, with everything that is done to its gradient, against the same by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from litho.training.optim.optimizer_step import OptimizerStep
from litho.training.presets import resolve

CPU = torch.device("cpu")


def optimizer_step(network: nn.Module, lr: float = 0.1, **overrides: Any) -> OptimizerStep:
    recipe = resolve("cgan-digits", overrides={"precision": "fp32", **overrides})
    return OptimizerStep(torch.optim.SGD(network.parameters(), lr), recipe, CPU)


def minimise(step: OptimizerStep, loss: Tensor, factor: float = 1.0) -> Tensor | None:
    step.add(loss)
    return step.step(factor)


@pytest.fixture
def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def loss(network: nn.Module, factor: float = 1.0) -> Tensor:
    return network(torch.tensor([[1.0, -2.0, 0.5]])).square().sum() * factor


def after_one_step(network: nn.Linear, rate: float, most: float | None = None) -> tuple[Tensor, float]:
    """The weights that plain descent leads to, and the norm of the whole gradient."""
    gradients = torch.autograd.grad(loss(network), [network.weight, network.bias])
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    share = 1.0 if most is None else min(1.0, most / norm)
    return network.weight.detach() - rate * share * gradients[0], norm


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("clip_norm", [None, 0.25, 1e6])
def test_a_gradient_is_clipped_by_the_norm_of_all_of_it(
    network: nn.Linear, precision: str, clip_norm: float | None
) -> None:
    expected, norm = after_one_step(network, 0.1, clip_norm)
    given = {} if clip_norm is None else {"clip_norm": str(clip_norm)}
    measured = minimise(optimizer_step(network, precision=precision, **given), loss(network))
    torch.testing.assert_close(network.weight.detach(), expected)
    assert measured is not None
    assert measured.item() == pytest.approx(norm, rel=1e-5)


def test_the_learning_rate_is_a_share_of_the_first_one_at_every_step(network: nn.Linear) -> None:
    step = optimizer_step(network)
    for factor in (0.5, 1.0, 0.25):
        expected, _ = after_one_step(network, 0.1 * factor)
        minimise(step, loss(network), factor)
        torch.testing.assert_close(network.weight.detach(), expected)


def test_weights_decay_apart_from_the_gradient_and_biases_do_not(network: nn.Linear) -> None:
    before, bias = network.weight.detach().clone(), network.bias.detach().clone()
    minimise(optimizer_step(network, weight_decay="0.5"), loss(network, 0.0), 0.5)
    torch.testing.assert_close(network.weight.detach(), before * (1 - 0.1 * 0.5 * 0.5))
    assert torch.equal(network.bias.detach(), bias)


def test_decay_with_adam_is_adamw() -> None:
    ours, theirs = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    theirs.load_state_dict(ours.state_dict())
    recipe = resolve("cgan-digits", overrides={"precision": "fp32", "weight_decay": "0.3"})
    step = OptimizerStep(torch.optim.Adam(ours.parameters(), 0.01), recipe, CPU)
    adamw = torch.optim.AdamW(theirs.parameters(), 0.01, weight_decay=0.3)
    for _ in range(5):
        minimise(step, loss(ours))
        adamw.zero_grad()
        loss(theirs).backward()
        adamw.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_an_overflow_in_fp16_changes_nothing_but_the_scale(network: nn.Linear) -> None:
    step = optimizer_step(network, precision="fp16", weight_decay="0.5")
    before, scale = network.weight.detach().clone(), step.scale
    assert minimise(step, loss(network, torch.inf)) is None
    assert torch.equal(network.weight.detach(), before)
    assert step.scale == scale / 2
    assert minimise(step, loss(network)) is not None
    assert not torch.equal(network.weight.detach(), before)


def test_the_scale_goes_on_where_it_was(network: nn.Linear) -> None:
    step = optimizer_step(network, precision="fp16")
    minimise(step, loss(network, torch.inf))
    again = optimizer_step(network, precision="fp16")
    again.load_state_dict(step.state_dict(), step.scaler_state_dict())
    assert again.scale == step.scale < optimizer_step(network, precision="fp16").scale
    assert optimizer_step(network).scale == 1.0
    assert optimizer_step(network).scaler_state_dict() == {}


def test_the_parts_of_a_loss_make_one_step(network: nn.Linear) -> None:
    expected, norm = after_one_step(network, 0.1)
    step = optimizer_step(network)
    for _ in range(2):
        before = network.weight.detach().clone()
        expected, norm = after_one_step(network, 0.1)
        for weight in (0.25, 0.75):
            step.add(loss(network), weight)
        assert torch.equal(network.weight.detach(), before)
        measured = step.step(1.0)
        assert measured is not None
        assert measured.item() == pytest.approx(norm, rel=1e-5)
        torch.testing.assert_close(network.weight.detach(), expected)
