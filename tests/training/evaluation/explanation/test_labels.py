import pytest

from litho.training.evaluation.context import EvaluationContext
from litho.training.evaluation.explanation.labels import EXAMPLES, explain_labels
from litho.training.evaluation.explanation.picture_files import PictureFiles


def test_label_and_seed_share_the_picture(conditional: EvaluationContext) -> None:
    files = PictureFiles()
    examples = explain_labels(conditional, files)
    assert [example.inputs for example in examples] == [
        {"seed": 0, "label": value} for value in range(EXAMPLES)
    ]
    for example in examples:
        occlusion, gradients = example.attributions
        for attribution in (occlusion, gradients):
            assert [cause.name for cause in attribution.causes] == ["label", "seed"]
            assert sum(cause.share for cause in attribution.causes) + attribution.remainder == pytest.approx(
                1
            )
        assert abs(gradients.remainder) < 0.1
        assert sum(entry.share for entry in gradients.entries) == pytest.approx(gradients.causes[0].share)
        assert [entry.layer for entry in gradients.entries][:2] == ["embedding", "norms.0.gain"]
        others = [one.value for one in occlusion.alternatives]
        assert others == [value for value in range(10) if value != example.inputs["label"]]
        # The change without the label is the mean over all other labels.
        change = sum(one.change for one in occlusion.alternatives) / len(others)
        assert occlusion.causes[0].change == pytest.approx(change)
        assert {example.made, *(cause.map for cause in occlusion.causes)} <= files.contents.keys()
