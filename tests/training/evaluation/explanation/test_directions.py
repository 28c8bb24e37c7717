import pytest
import torch
from torch import Tensor, nn

from litho.errors import EvaluationError
from litho.training.evaluation.explanation.directions import Found, ganspace, sefa


class _Net(nn.Module):
    """A linear layer whose strongest direction is known, then a second layer."""

    def __init__(self, matrix: Tensor, *, curved: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(matrix.shape[1], len(matrix)), nn.Linear(len(matrix), 1)
        self.first.weight.data, self.curved = matrix, curved

    def forward(self, latent: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(latent.square() if self.curved else latent) + 100))


AXES = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0))).Q
"""Orthonormal rows: the directions that the matrix multiplies by 4, 3, 2 and 1."""

MATRIX = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])) @ AXES


def _parallel(vector: Tensor, axis: Tensor) -> float:
    return abs(float(vector @ axis))


def _parallels(found: list[Found]) -> list[float]:
    return [_parallel(one.vector, axis) for one, axis in zip(found, AXES, strict=False)]


def test_sefa_finds_the_singular_vectors_of_the_first_layer() -> None:
    net = _Net(MATRIX)
    found = sefa(net, net, 4, 3)
    assert [_parallel(one.vector, axis) for one, axis in zip(found, AXES, strict=False)] == pytest.approx(
        [1] * 3, abs=1e-5
    )
    assert [one.weight for one in found] == pytest.approx([16 / 30, 9 / 30, 4 / 30], abs=1e-5)
    assert all(float(one.vector[one.vector.abs().argmax()]) > 0 for one in found)


def test_ganspace_finds_the_components_of_the_activations_behind_it() -> None:
    net = _Net(MATRIX)
    latents = torch.randn(1000, 4, generator=torch.Generator().manual_seed(1))
    found = ganspace(net, net, latents, None, 2)
    assert [one.method for one in found] == ["ganspace"] * 2
    assert [_parallel(one.vector, axis) for one, axis in zip(found, AXES, strict=False)] == pytest.approx(
        [1] * 2, abs=0.02
    )
    assert found[0].weight == pytest.approx(16 / 30, abs=0.05)


def test_classes_do_not_hide_the_directions() -> None:
    net = _Net(MATRIX)
    latents = torch.randn(1000, 4, generator=torch.Generator().manual_seed(1))
    groups = torch.arange(1000) % 2
    # The classes differ along the weakest direction by far more than the latents do along any.
    moved = latents + 40 * groups[:, None] * AXES[3]
    (plain,), (grouped,) = (ganspace(net, net, moved, one, 1) for one in (None, groups))
    assert _parallel(plain.vector, AXES[3]) > 0.9
    assert _parallel(grouped.vector, AXES[0]) > 0.9


def test_a_first_layer_that_is_not_linear_or_knows_no_latent_is_refused() -> None:
    curved, deaf, single = _Net(MATRIX, curved=True), _Net(0 * MATRIX), nn.Linear(4, 2)
    with pytest.raises(EvaluationError, match="no linear map"):
        sefa(curved, curved, 4, 1)
    with pytest.raises(EvaluationError, match="does not take the latent"):
        sefa(deaf, deaf, 4, 1)
    with pytest.raises(EvaluationError, match="only one layer"):
        ganspace(single, single, torch.randn(5, 4), None, 1)
    with pytest.raises(EvaluationError, match="no layer with weights"):
        sefa(nn.ReLU(), lambda _latents: None, 4, 1)
    with pytest.raises(EvaluationError, match="do not vary"):
        ganspace(deaf, deaf, torch.randn(5, 4), None, 1)
