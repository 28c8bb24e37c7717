import copy

import torch
from torch import nn
from torch.optim import SGD, Adam, Muon

from litho.training.optim.combined import CombinedOptimizer


def made() -> tuple[nn.Linear, CombinedOptimizer]:
    torch.manual_seed(0)
    layer = nn.Linear(6, 6)
    return layer, CombinedOptimizer(Muon([layer.weight], 0.02, weight_decay=0.0), Adam([layer.bias], 0.01))


def step(layer: nn.Linear, optimizer: CombinedOptimizer, number: int) -> float:
    inputs = torch.randn(64, 6, generator=torch.Generator().manual_seed(number))
    loss = (layer(inputs) - inputs.flip(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_each_part_moves_its_own_as_it_would_alone() -> None:
    layer, optimizer = made()
    alone = copy.deepcopy(layer)
    parts = (Muon([alone.weight], 0.02, weight_decay=0.0), Adam([alone.bias], 0.01))
    for number in range(3):
        step(layer, optimizer, number)
        inputs = torch.randn(64, 6, generator=torch.Generator().manual_seed(number))
        alone.zero_grad()
        (alone(inputs) - inputs.flip(1)).square().mean().backward()
        for part in parts:
            part.step()
    assert torch.equal(layer.weight, alone.weight)
    assert torch.equal(layer.bias, alone.bias)


def test_a_learning_rate_reaches_the_part_whose_group_it_is_set_in() -> None:
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = CombinedOptimizer(SGD([first], 1.0), SGD([second], 1.0))
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.param_groups[1]["lr"] = 0.25
    first.grad = second.grad = torch.ones(1)
    optimizer.step()
    assert (first.item(), second.item()) == (-1.0, -0.25)


def test_from_its_state_it_goes_on_as_if_nothing_had_been() -> None:
    layer, optimizer = made()
    for number in range(3):
        step(layer, optimizer, number)
    again, resumed = made()
    again.load_state_dict(layer.state_dict())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [step(layer, optimizer, number) for number in (3, 4)] == [
        step(again, resumed, number) for number in (3, 4)
    ]
