"""A bundle against the generator that it was made from; tests/attack/test_trust.py has what is refused."""

from pathlib import Path

import pytest

from litho.errors import ProofError, UsageError
from litho.export.against import verify_against
from litho.export.build import export
from litho.export.validation.distance import SAMPLES
from litho.runners._pools import open_pool
from litho.signature import AT_ONCE
from litho.training.run.snapshot import save_snapshot

from ..smallest import smallest_generator

pytestmark = pytest.mark.slow


def test_a_bundle_passes_against_its_run(bundle: Path, run: Path) -> None:
    (outcome,) = verify_against(bundle, run)
    assert (outcome.subject, outcome.verdict.status) == ("generator.fp32.onnx", "passed")


def test_a_flow_passes_against_its_run(flow_bundle: Path, flow_run: Path) -> None:
    assert [outcome.verdict.status for outcome in verify_against(flow_bundle, flow_run)] == ["passed"] * 3


def test_a_lowered_variant_is_measured_as_a_set_again(run: Path, tmp_path: Path) -> None:
    bundle = export(run, to=tmp_path / "half", precisions=("int8",), timed=False)
    (outcome,) = verify_against(bundle.path, run)
    assert outcome.verdict.status == "passed", outcome.verdict.reason
    figures = [figure for figure in outcome.verdict.figures if figure.metric.startswith("FD ratio")]
    assert figures
    with open_pool(workers=2) as pool:
        (again,) = verify_against(bundle.path, run, pool=pool)
        assert [one for one in again.verdict.figures if one.metric.startswith("FD ratio")] == figures
        assert pool.report.pieces == 3 * SAMPLES / AT_ONCE  # two sets of PyTorch, and one of the variant


def test_few_samples_are_refused_before_anything_is_opened(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="63 samples are too few"):
        verify_against(tmp_path / "absent", run, samples=63)


@pytest.mark.parametrize("asked", [{"input": "latent"}, {"fixed": {"label": 3}}])
def test_the_form_of_the_export_is_found_again(asked: dict[str, object], run: Path, tmp_path: Path) -> None:
    bundle = export(run, to=tmp_path / "form", timed=False, **asked)  # type: ignore[arg-type]
    (outcome,) = verify_against(bundle.path, run)
    assert outcome.verdict.status == "passed", outcome.verdict.reason


def test_a_free_size_is_found_again(tmp_path: Path) -> None:
    save_snapshot(tmp_path / "run", smallest_generator("superres"), family="superres")
    bundle = export(tmp_path / "run", to=tmp_path / "free", size="free", timed=False)
    (outcome,) = verify_against(bundle.path, tmp_path / "run")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


def test_another_run_is_refused(bundle: Path, flow_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="was made from weights") as refused:
        verify_against(bundle, flow_run)
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="no finished run"):
        verify_against(bundle, tmp_path)
