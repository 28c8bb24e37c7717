import numpy as np
import pytest

from litho.bundle.explanation import Explanation
from litho.errors import EvaluationError
from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.explanation import explain
from litho.training.run.snapshot import SnapshotInfo

from ..conftest import Copier, Split, context_of
from .conftest import untrained_net


def _info(context: EvaluationContext) -> SnapshotInfo:
    return SnapshotInfo(
        family="cgan", architecture={}, signature=context.signature, nimg=0, weights_sha256="0" * 64
    )


def test_a_conditional_generator_is_explained_twice_the_same(conditional: EvaluationContext) -> None:
    steps: list[tuple[str, float]] = []
    first = explain(conditional, _info(conditional), lambda step, share: steps.append((step, share)))
    explanation, files = first
    assert [step for step, _ in steps] == ["labels", "latent directions"]
    assert {example.kind for example in explanation.examples} == {"label"}
    assert explanation.notes == ()
    assert set(explanation.pictures()) == files.keys()
    assert Explanation.model_validate_json(explanation.model_dump_json()) == explanation
    assert explain(conditional, _info(conditional)) == first


def test_what_cannot_be_explained_is_said(digits: Split) -> None:
    # It has no layers with weights, so there are neither embeddings nor directions.
    context = context_of(Copier(digits[1], conditional=False), digits, untrained_net(1))
    with pytest.raises(EvaluationError, match="directions: the generator has only one layer"):
        explain(context, _info(context))
    assert np.isfinite(context.pictures).all()
