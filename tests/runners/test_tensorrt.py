"""Runners of engines as far as they go without a GPU: every refusal. What runs on one has not run here."""

import shutil
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import BundleError, DeviceError, UsageError
from litho.export.engines.complete import build_engines
from litho.export.verify import verify
from litho.gpu import find_device
from litho.runners import open_runner


@pytest.fixture(scope="module")
def completed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an engine for a GPU that is not here."""
    path = tmp_path_factory.mktemp("completed") / "tiny"
    shutil.copytree(bundle, path)
    return build_engines(path, runtime="tensorrt-rtx", targets=["sm86"]).path


def test_without_a_driver_an_engine_is_refused_in_one_line(completed: Path, without_gpu: None) -> None:
    with pytest.raises(DeviceError, match="no NVIDIA GPU can be used here") as refused:
        open_runner(completed, "generator.fp32.sm86.rtx", device="cuda")
    assert "\n" not in str(refused.value)
    with pytest.raises(DeviceError, match="no NVIDIA GPU can be used here"):
        find_device("rtx")


def test_verify_says_why_an_engine_was_not_run(completed: Path, without_gpu: None) -> None:
    outcomes = {outcome.subject: outcome.verdict for outcome in verify(completed)}
    assert outcomes["generator.fp32.onnx"].status == "passed"
    assert outcomes["generator.fp32.sm86.rtx"].status == "not_run"
    assert "no NVIDIA GPU can be used here" in outcomes["generator.fp32.sm86.rtx"].reason


def test_an_engine_that_changed_is_refused_before_any_runtime_sees_it(
    completed: Path, tmp_path: Path
) -> None:
    shutil.copytree(completed, tmp_path / "tiny")
    engine = tmp_path / "tiny" / "engines" / "generator.fp32.sm86.rtx"
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    with pytest.raises(BundleError, match=r"generator\.fp32\.sm86\.rtx has changed: its SHA-256"):
        open_runner(tmp_path / "tiny", "generator.fp32.sm86.rtx")
    engine.write_bytes(content[:1000])
    with pytest.raises(BundleError, match="has 1000 bytes, its manifest says"):
        open_runner(tmp_path / "tiny", "generator.fp32.sm86.rtx")


def test_the_runner_of_the_other_library_is_refused(completed: Path) -> None:
    with pytest.raises(UsageError, match="is of tensorrt-rtx"):
        open_runner(completed, "generator.fp32.sm86.rtx", runner="tensorrt")


@pytest.mark.parametrize("device", ["gpu", "cuda:x"])
def test_a_device_that_is_none_is_refused(completed: Path, device: str) -> None:
    with pytest.raises(UsageError, match="known: cuda, cuda:1"):
        open_runner(completed, "generator.fp32.sm86.rtx", device=device)


def test_an_engine_is_never_chosen_by_itself(completed: Path) -> None:
    with open_runner(completed) as runner:
        assert "ONNX Runtime" in runner.description
    assert Bundle.load(completed).variant("generator.fp32.sm86.rtx").engine is not None
