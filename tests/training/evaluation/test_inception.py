import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litho.errors import EvaluationError
from litho.training.data.dataset import Dataset
from litho.training.evaluation import FeatureNet, measure
from litho.training.evaluation.inception import Inception, inception_score

from .conftest import Copier, context_of

Split = tuple[Dataset, Dataset]


class StandIn(nn.Module):
    """Answers as the Inception network does: its features are means of the picture's corners."""

    def forward(self, images: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        corners = torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1)
        if return_features:
            return corners
        assert no_output_bias
        return torch.softmax(8 * corners, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(StandIn()).save(str(path))
    return path


def test_fid_and_is_stand_beside_those_of_real_pictures(
    file: Path, digits: Split, digits_net: FeatureNet
) -> None:
    context = context_of(Copier(digits[1]), digits, digits_net, inception=Inception(file))
    sections, _ = measure(context)
    (section,) = [section for section in sections if section.part == "inception"]
    distance, score = section.figures
    assert distance.reference is not None
    assert score.reference is not None
    assert distance.metric == "FID"
    assert abs(distance.value - distance.reference) < 0.1
    assert score.metric == "IS"
    assert 1 < score.value < 12


def test_without_the_network_neither_is_measured(digits: Split, digits_net: FeatureNet) -> None:
    sections, _ = measure(context_of(Copier(digits[1]), digits, digits_net))
    assert "inception" not in [section.part for section in sections]


@pytest.mark.parametrize(("certain", "score"), [(1.0, 10.0), (0.1, 1.0)])
def test_the_score_is_the_number_of_classes_that_are_told_apart(certain: float, score: float) -> None:
    # Ten classes in turn, each with probability `certain`, the rest shared by the others.
    rows = torch.full((1000, 10), (1 - certain) / 9, dtype=torch.float64)
    rows[torch.arange(1000), torch.arange(1000) % 10] = certain
    assert inception_score(rows) == pytest.approx(score)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"^no Inception network at"):
        Inception(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("no program")
    with pytest.raises(EvaluationError, match=r"is not a TorchScript program"):
        Inception(tmp_path / "text.pt")


def test_a_program_of_another_kind_is_named(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "other.pt"))
    with pytest.raises(EvaluationError, match="is not the Inception network; running it failed"):
        Inception(tmp_path / "other.pt").features(np.zeros((1, 8, 8, 1), np.uint8))
