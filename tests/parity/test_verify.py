import shutil
from pathlib import Path

import onnxruntime
import pytest
import torch

from litho.bundle.manifest import Figure, Variant, Verdict
from litho.errors import EndpointError, IntegrityError, UsageError
from litho.parity.verify import believe, verify


def test_every_variant_of_an_untouched_bundle_passes(bundle: Path) -> None:
    (outcome,) = verify(bundle)
    assert outcome.subject == "generator.fp32.onnx"
    assert outcome.verdict.status == "passed"


def test_one_changed_byte_of_the_graph_is_named(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    graph = tmp_path / "bundle" / "graphs" / "generator.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"generator\.fp32\.onnx has changed"):
        verify(tmp_path / "bundle")


def test_an_endpoint_must_be_an_address_that_answers(bundle: Path) -> None:
    with pytest.raises(UsageError, match="grpc://HOST:PORT/MODEL"):
        verify(bundle, endpoint="localhost:8001")
    with pytest.raises(EndpointError):
        verify(bundle, endpoint="grpc://127.0.0.1:9/absent")


def test_a_device_that_is_not_here_is_said_and_no_failure(bundle: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (outcome,) = verify(bundle, device="cuda")
    assert outcome.verdict.status == "not_run"
    assert "litho[gpu]" in (outcome.verdict.reason or "")


@pytest.mark.parametrize("device", ["tpu", "cuda:first", "cpu:1"])
def test_a_device_that_no_runtime_knows_is_refused(bundle: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"the bundle has no device '{device}' .known: cpu, cuda"):
        verify(bundle, device=device)


def test_an_endpoint_takes_no_device(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"device was given 'cuda', but grpc:.* computes where"):
        verify(bundle, endpoint="grpc://127.0.0.1:9/absent", device="cuda")


def test_every_variant_passes_on_a_gpu(bundle: Path) -> None:
    if not torch.cuda.is_available() or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no GPU, or no ONNX Runtime for one")
    (outcome,) = verify(bundle, device="cuda")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


PASSED = Verdict(status="passed", figures=(Figure(metric="PSNR min (dB)", value=60.0, at_least=40.0),))
FAILED = Verdict(status="failed", reason="FD ratio 2")
OUTSIDE = Verdict(status="passed", figures=(Figure(metric="PSNR min (dB)", value=12.0, at_least=40.0),))


@pytest.mark.parametrize(
    ("recorded", "found", "status", "words"),
    [
        (PASSED, PASSED, "passed", ""),
        (PASSED, FAILED, "failed", "FD ratio 2; the manifest says that it passed"),
        (FAILED, PASSED, "failed", "it failed when the bundle was made: FD ratio 2"),
        (FAILED, FAILED, "failed", "FD ratio 2"),
        (OUTSIDE, PASSED, "failed", "its PSNR min (dB) is outside the limit"),
        (Verdict(status="passed"), PASSED, "failed", "has no figures"),
        (Verdict(status="not_run", reason="no GPU"), PASSED, "passed", ""),
        (Verdict(status="not_offered", reason="slower than fp32"), PASSED, "not_offered", "slower than fp32"),
        (Verdict(status="not_offered", reason="slower than fp32"), FAILED, "failed", "FD ratio 2"),
        (PASSED, Verdict(status="not_run", reason="no GPU"), "not_run", "no GPU"),
        (OUTSIDE, Verdict(status="not_run", reason="no GPU"), "failed", "outside the limit"),
    ],
)
def test_the_manifest_may_only_make_a_verdict_worse(
    recorded: Verdict, found: Verdict, status: str, words: str
) -> None:
    variant = Variant(
        name="generator.fp16.onnx",
        stage="generator",
        precision="fp16",
        runtime="onnxruntime",
        file="graphs/generator.fp16.onnx",
        batches=(1, 8, 64),
        verdict=recorded,
    )
    said = believe(variant, found)
    assert said.status == status
    assert words in said.reason
    assert "\n" not in said.reason
