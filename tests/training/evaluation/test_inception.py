import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from litho.errors import EvaluationError
from litho.training.evaluation.inception import Inception, inception_score


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
