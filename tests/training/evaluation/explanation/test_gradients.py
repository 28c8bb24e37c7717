import pytest
import torch
from torch import Tensor, nn

from litho.errors import EvaluationError
from litho.training.evaluation.explanation.gradients import called_embeddings, integrate, replaced


def _both(first: Tensor, second: Tensor) -> Tensor:
    """Pictures of 1x2 pixels: the left one depends on both inputs, the right one on the second alone."""
    return torch.stack((3 * first[:, 0] + second[:, 0], second[:, 0]), 1)[:, None, None]


def test_shares_of_a_linear_network_are_exact_and_make_one() -> None:
    given, nothing = [torch.ones(1, 1), torch.ones(1, 1)], [torch.zeros(1, 1), torch.zeros(1, 1)]
    way = integrate(_both, given, nothing)
    # The way is (4, 1); its squared length is 17, of which 3 * 4 come from the first input.
    assert [float(one) for one in way.shares] == pytest.approx([12 / 17, 5 / 17])
    assert way.remainder == pytest.approx(0, abs=1e-6)
    only_right = integrate(_both, given, nothing, target=(0, 1, 1, 2))
    assert [float(one) for one in only_right.shares] == pytest.approx([0, 1])


def test_what_works_against_the_picture_has_a_negative_share() -> None:
    way = integrate(_both, [torch.ones(1, 1), -torch.ones(1, 1)], [torch.zeros(1, 1)] * 2)
    # The way is (2, -1): the second input moves the left pixel back and makes the right one.
    assert [float(one) for one in way.shares] == pytest.approx([6 / 5, -1 / 5])


def test_a_curved_network_is_integrated_closely() -> None:
    way = integrate(
        lambda one: torch.tanh(3 * one)[:, None, None], [torch.ones(1, 2)], [torch.zeros(1, 2)], at_once=4
    )
    assert abs(way.remainder) < 1e-3


def test_equal_pictures_are_refused() -> None:
    with pytest.raises(EvaluationError, match="equals that of the baseline"):
        integrate(lambda one: 0 * one[:, None, None], [torch.ones(1, 2)], [torch.zeros(1, 2)])


def test_embeddings_are_seen_and_replaced() -> None:
    network = nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2, bias=False))
    label = torch.tensor([1])
    found = called_embeddings(network, lambda: network(label))
    assert list(found) == ["0"]
    assert torch.equal(found["0"], network[0].weight[1:2])
    with replaced(network, {"0": torch.zeros(1, 2)}):
        assert network(label).abs().max() == 0
    assert network(label).abs().max() > 0
