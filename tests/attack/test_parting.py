"""A sampler that parts two nearly equal pictures: FP16 promises the same distribution, and shows which probes part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.bundle.manifest import Figure, Variant
from litho.errors import DeployError
from litho.export.build import export
from litho.export.precisions import precision
from litho.parity.gate import DISTANCE_RATIO, SHARE, Replay, judge
from litho.parity.replay import replay
from litho.parity.verify import verify, with_other_stages
from litho.runners import open_runner
from litho.serving.repository.deploy import deploy
from litho.training.run.snapshot import save_snapshot

from ..smallest import random_flow

pytestmark = pytest.mark.slow

DENOISER = "denoiser.fp16.onnx"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny flow whose steps amplify what differs: its velocities are twelve times those of other tests."""
    generator = random_flow(seed=2, pixel_std=2.4)
    folder = tmp_path_factory.mktemp("parting")
    save_snapshot(folder / "run", generator, family="flow", preset="flow-shapes")
    return export(folder / "run", to=folder / "bundle", precisions=("fp32", "fp16"), timed=False)


def denoiser(bundle: Bundle) -> Variant:
    return bundle.variant(DENOISER)


def figure(bundle: Bundle, metric: str) -> Figure:
    figures = denoiser(bundle).verdict.figures
    return next(one for one in figures if one.metric.startswith(metric) and not one.bank)


def test_fp16_passes_with_a_few_probes_apart_and_says_which(bundle: Bundle) -> None:
    variant = denoiser(bundle)
    assert variant.verdict.status == "passed", variant.verdict.reason
    assert variant.grade == "same distribution"
    assert 1 <= len(variant.verdict.parted) <= 3
    share, ratio = figure(bundle, SHARE), figure(bundle, DISTANCE_RATIO)
    assert share.value == 1 - len(variant.verdict.parted) / 64
    assert (share.at_least, ratio.at_most) == (0.95, 1.05)
    assert ratio.lower is not None
    assert ratio.lower <= 1.05


def test_the_same_pictures_would_fail_where_the_same_picture_is_promised(bundle: Bundle) -> None:
    probes = bundle.probes()
    with open_runner(bundle, with_other_stages(bundle, denoiser(bundle))) as runner:
        verdict = judge([Replay(replay(runner, probes, 64), probes.images, 64)], precision("fp16").gate)
    assert verdict.status == "failed"
    assert set(verdict.parted) <= set(denoiser(bundle).verdict.parted)


def test_the_report_shows_the_parted_beside_pytorch_s(bundle: Bundle) -> None:
    page = (bundle.path / "report.html").read_text(encoding="utf-8")
    assert "Probes that part" in page
    for number in denoiser(bundle).verdict.parted:
        assert f"difference of {DENOISER.removesuffix('.onnx')}, probe {number}" in page


def test_verify_finds_the_same_and_names_the_grade(bundle: Bundle) -> None:
    outcomes = {outcome.subject: outcome for outcome in verify(bundle.path)}
    assert {outcome.verdict.status for outcome in outcomes.values()} == {"passed"}
    assert outcomes[DENOISER].grade == "same distribution"
    assert outcomes[DENOISER].verdict.parted == denoiser(bundle).verdict.parted
    assert outcomes["denoiser.fp32.onnx"].grade == "same picture"
    assert not outcomes["denoiser.fp32.onnx"].verdict.parted


def test_it_is_deployed_only_where_the_weaker_grade_is_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"denoiser\.fp16\.onnx promises the same distribution"):
        deploy(bundle, to=tmp_path, variant=DENOISER)
    assert deploy(bundle, to=tmp_path).served.grade == "same picture"
    served = deploy(bundle, to=tmp_path, variant=DENOISER, grade="same distribution").served
    assert served.grade == "same distribution"
    assert DENOISER in served.variant


def test_more_than_one_in_twenty_fails(bundle: Bundle) -> None:
    probes = bundle.probes()
    made = probes.images.copy()
    made[:4] = np.roll(made[:4], 1, axis=1)
    verdict = judge([Replay(made, probes.images, 64)], precision("fp16").limits("rectified-flow"))
    assert verdict.status == "failed"
    assert "at least 95.0% must be" in verdict.reason
