from pathlib import Path

from litho.training.data.dataset import Dataset
from litho.training.evaluation.evaluate import evaluate
from litho.training.evaluation.feature_net import FeatureNet

from ..conftest import snapshot


def test_a_generator_without_classes_has_no_figures_of_classes(
    tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    evaluation = evaluate(snapshot(tmp_path / "run", digits, name="dcgan"), samples=100)
    assert [section.part for section in evaluation.sections] == ["distribution", "samples", "memory"]
