from pathlib import Path

from litho.training.data.dataset import Dataset
from litho.training.evaluation.evaluate import evaluate
from litho.training.evaluation.feature_net import FeatureNet

from ..conftest import snapshot


def test_an_autoencoder_has_bounds_on_its_likelihood(
    tmp_path: Path, digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    evaluation = evaluate(snapshot(tmp_path / "run", digits, name="vae"), samples=50)
    assert evaluation.failures == ()
    figures = {figure.metric: figure for section in evaluation.sections for figure in section.figures}
    assert 0 < figures["NLL, 500 importance samples"].value <= figures["negative ELBO"].value
    assert figures["negative ELBO"].n == 50
