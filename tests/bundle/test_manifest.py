import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from litho.bundle import Bundle
from litho.bundle.manifest import Figure, Stage
from litho.signature import Signature
from litho.signature.fields import Field, Role, seed_field

from .conftest import make, variant

INNER = Field(name="sample", role=Role.SAMPLE, dtype="FP32", shape=(1, 4, 4))


def test_a_manifest_that_contradicts_itself_is_never_written(tmp_path: Path) -> None:
    for variants in [(variant(), variant()), (variant("graphs/absent.onnx"),)]:
        with pytest.raises(ValueError, match=r"not unique|not listed"):
            make(tmp_path / "bundle", variants=variants)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "passed"), [(1.0, True), (0.5, True), (1.5, False), (None, False), (float("nan"), False)]
)
def test_a_figure_passes_only_when_computed_and_within_its_limit(value: float | None, passed: bool) -> None:
    assert Figure(metric="difference", value=value, at_most=1).passed is passed


@pytest.mark.parametrize(
    ("limit", "lower", "upper", "passed"),
    [
        ({"at_most": 1.0}, 0.9, 1.5, True),
        ({"at_most": 1.0}, 1.1, 1.5, False),
        ({"at_least": 2.0}, 1.0, 2.1, True),
        ({"at_least": 2.0}, 1.0, 1.9, False),
    ],
)
def test_an_estimate_fails_only_with_its_whole_interval(
    limit: dict[str, float], lower: float, upper: float, passed: bool
) -> None:
    assert Figure(metric="estimate", value=1.3, lower=lower, upper=upper, **limit).passed is passed


def test_a_manifest_of_before_the_grades_still_opens(tmp_path: Path) -> None:
    make(tmp_path / "bundle", variants=(variant(),))
    path = tmp_path / "bundle" / "manifest.json"
    document = json.loads(path.read_text())
    for one in document["variants"]:
        del one["grade"], one["verdict"]["parted"]
        for figure in one["verdict"]["figures"]:
            del figure["lower"], figure["upper"], figure["bank"]
    path.write_text(json.dumps(document))
    (opened,) = Bundle.load(tmp_path / "bundle").manifest.variants
    assert opened.grade == "same picture"
    assert opened.verdict.parted == ()


STAGES = tuple(
    Stage(name=name, signature=Signature(inputs=(seed_field(),), output=INNER))
    for name in ("text_encoder", "denoiser", "decoder")
)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"stages": STAGES}, "need a sampler"),
        ({"stages": STAGES[:2], "sampler": "rectified-flow"}, "are not the sampler's"),
        ({"stages": STAGES, "sampler": "rectified-flow"}, r"tokenizer\.json is not listed"),
        ({"stages": STAGES[:1]}, r"unknown stages: \['generator'\]"),
        ({"signature": STAGES[0].signature}, "output of a generator is an image"),
    ],
)
def test_stages_that_do_not_make_a_picture_together_are_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make(tmp_path / "bundle", **changes)
    assert list(tmp_path.iterdir()) == []


def test_layers_in_fp32_have_the_key_kept_in_json(tmp_path: Path) -> None:
    lowered = variant().model_copy(update={"fp32_layers": ("blocks.0.conv",)})
    make(tmp_path / "bundle", variants=(lowered,))
    (written,) = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["variants"]
    assert written["kept"] == ["blocks.0.conv"]
    assert "fp32_layers" not in written
    assert Bundle.load(tmp_path / "bundle").manifest.variants == (lowered,)
