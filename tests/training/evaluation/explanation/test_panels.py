import numpy as np
import pytest

from litho.bundle.explanation import Explanation
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.explanation.panels import agreement, measured
from litho.training.evaluation.explanation.picture_files import PictureFiles
from litho.training.evaluation.explanation.strips import explain_directions


def test_agreement_is_a_rank_correlation() -> None:
    ordered = np.array([0.0, 1.0, 2.0, 30.0])
    assert agreement(ordered, ordered**3) == pytest.approx(1)
    assert agreement(ordered, -ordered) == pytest.approx(-1)
    assert agreement(ordered, np.ones(4)) == 0
    # Equal values share a rank, so their order in the series does not matter.
    assert agreement(ordered, np.array([0.0, 0, 1, 2])) == agreement(
        ordered[[1, 0, 2, 3]], np.array([0.0, 0, 1, 2])
    )


def test_directions_are_figures_with_a_baseline_and_rows_of_pictures(conditional: EvaluationContext) -> None:
    files = PictureFiles()
    starts, directions = explain_directions(conditional, files)
    explanation = Explanation(
        family="cgan", weights_sha256="0" * 64, data="digits", picture=(8, 8, 1), captum="0",
        starting_points=tuple(starts), directions=tuple(directions),
    )  # fmt: skip
    found = measured(explanation, files.contents)
    assert [figure.metric for figure in found.figures] == [
        "change along GANSpace directions",
        "change along SeFa directions",
    ]
    assert found.figures[1].baseline == directions[0].random_change
    assert [panel.caption for panel in found.panels] == [
        "Directions of the latent space by GANSpace, from seed 0.",
        "Directions of the latent space by SeFa, from seed 0.",
    ]
