import pytest
import torch
from torch import nn

from litho.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (6, 24), (24, 6), (1, 5)])
def test_singular_values_come_near_to_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    made = orthogonal(matrix).float()
    assert made.shape == shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5
    assert values.max() < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    along = left.T @ made @ right.T
    assert (along - along.diag().diag()).abs().max() < 0.05


def test_a_gradient_of_zero_is_no_step() -> None:
    assert not orthogonal(torch.zeros(3, 4)).any()


def test_all_that_is_no_matrix_is_moved_as_by_adam() -> None:
    ours, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    first = Muon([], [ours], lr=0.1, betas=(0.9, 0.99))
    second = torch.optim.Adam([theirs], 0.1, (0.9, 0.99))
    for step in range(5):
        for weights, optimiser in ((ours, first), (theirs, second)):
            weights.grad = torch.linspace(-1, 1, 5) * (step + 1)
            optimiser.step()
    torch.testing.assert_close(ours, theirs)


def steps(layer: nn.Linear, optimiser: Muon, count: int) -> list[float]:
    inputs = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(count):
        loss = (layer(inputs) - inputs.flip(1)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def made(seed: int = 0) -> tuple[nn.Linear, Muon]:
    torch.manual_seed(seed)
    layer = nn.Linear(6, 6)
    return layer, Muon([layer.weight], [layer.bias], matrix_lr=0.02, lr=0.01)


def test_it_lowers_a_loss() -> None:
    losses = steps(*made(), 100)
    assert losses[-1] < losses[0] / 10


def test_from_its_state_it_goes_on_as_if_nothing_had_been() -> None:
    whole, optimiser = made()
    steps(whole, optimiser, 6)
    cut, before = made()
    steps(cut, before, 3)
    after = Muon([cut.weight], [cut.bias])
    after.load_state_dict(before.state_dict())
    steps(cut, after, 3)
    assert torch.equal(whole.weight, cut.weight)
    assert torch.equal(whole.bias, cut.bias)
