"""Runners of engines as far as they go without a GPU: every refusal, and the order of calls on a GPU of paper."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.bundle.engine_record import EngineRecord, this_system
from litho.errors import BundleError, DeviceError, InvalidInput, UsageError
from litho.export.engines.complete import build_engines
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.runners._cuda import find_device
from litho.runners.tensorrt import CAPTURED_BATCHES, Runner
from litho.signature import Signature
from litho.signature.fields import Field, Role

SIGNATURE = Signature(
    inputs=(Field(name="x", role=Role.IMAGE, dtype="UINT8", shape=(2, 2, 1)),),
    output=Field(name="y", role=Role.IMAGE, dtype="UINT8", shape=(2, 2, 1)),
)

RECORD = EngineRecord(
    library="tensorrt",
    version="11.4.0",
    target="sm86",
    gpu="Paper GPU",
    system=this_system(),
    profiles=((1, 1, 2), (2, 8, 16)),
    read_back="inspector",
    layers={},
    products={},
)


@pytest.fixture(scope="module")
def completed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an engine for a GPU that is not here."""
    path = tmp_path_factory.mktemp("completed") / "tiny"
    shutil.copytree(bundle, path)
    return build_engines(path, runtime="tensorrt-rtx", targets=["sm86"]).path


@pytest.mark.slow
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
    with pytest.raises(BundleError, match="has 1000 bytes, the manifest says"):
        open_runner(tmp_path / "tiny", "generator.fp32.sm86.rtx")


def test_the_runner_of_the_other_library_is_refused(completed: Path) -> None:
    with pytest.raises(UsageError, match="is for the runner 'tensorrt-rtx', not 'tensorrt'"):
        open_runner(completed, "generator.fp32.sm86.rtx", runner="tensorrt")


@pytest.mark.parametrize("device", ["gpu", "cuda:x"])
def test_a_device_that_is_none_is_refused(completed: Path, device: str) -> None:
    with pytest.raises(UsageError, match="known: cpu, cuda; a second GPU: cuda:1"):
        open_runner(completed, "generator.fp32.sm86.rtx", device=device)


def test_an_engine_is_never_chosen_by_itself(completed: Path) -> None:
    with open_runner(completed) as runner:
        assert "ONNX Runtime" in runner.description
    assert Bundle.load(completed).variant("generator.fp32.sm86.rtx").engine is not None


def pictures(batch: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(batch).integers(0, 255, (batch, 2, 2, 1), dtype=np.uint8)}


def test_batches_go_through_their_profile_and_come_back_whole(paper: Any) -> None:
    with Runner(b"engine", RECORD, SIGNATURE) as runner:
        for batch in (1, 16, 2, 9):
            inputs = pictures(batch)
            np.testing.assert_array_equal(runner.run(inputs)["y"], inputs["x"] + 1)
            assert paper.contexts[0].active_optimization_profile == (0 if batch < 3 else 1)
        with pytest.raises(InvalidInput, match="a batch of 17 is outside"):
            runner.run(pictures(17))
    runner.close()
    assert not paper.driver.held, "memory stayed behind"


def test_a_batch_met_again_is_captured_and_few_graphs_are_kept(paper: Any) -> None:
    with Runner(b"engine", RECORD, SIGNATURE) as runner:
        for batch in range(1, CAPTURED_BATCHES + 3):
            for _ in range(3):
                inputs = pictures(batch)
                np.testing.assert_array_equal(runner.run(inputs)["y"], inputs["x"] + 1)
        assert len(paper.driver.graphs) == CAPTURED_BATCHES
        assert paper.driver.launched == 2 * (CAPTURED_BATCHES + 2)
        assert len({id(context) for context in paper.contexts}) == 1 + CAPTURED_BATCHES + 2
    assert not paper.driver.graphs


def test_what_cannot_be_captured_is_launched(paper: Any) -> None:
    paper.driver.capturable = False
    with Runner(b"engine", RECORD, SIGNATURE) as runner:
        for _ in range(4):
            inputs = pictures(2)
            np.testing.assert_array_equal(runner.run(inputs)["y"], inputs["x"] + 1)
    assert paper.driver.launched == 0
    assert len(paper.contexts) == 2, "it was tried once"


@pytest.mark.parametrize(
    ("engine", "changes", "error", "complaint"),
    [
        (b"broken", {}, BundleError, "refuses engine a.plan: magic tag does not match$"),
        (b"engine", {"target": "sm90"}, DeviceError, "found Paper GPU of sm86, it was built for sm90"),
        (b"engine", {"version": "10.9.0"}, DeviceError, "found TensorRT 11.4.0, it was built for 10.9.0"),
        (b"engine", {"stripped": True}, UsageError, "has no weights; pass the graph"),
    ],
)
def test_what_does_not_open_leaves_nothing_on_the_gpu(
    paper: Any, engine: bytes, changes: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        Runner(engine, RECORD.model_copy(update=changes), SIGNATURE, "a.plan")
    assert not paper.driver.held


def test_an_engine_of_another_signature_is_refused(paper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = paper.library(paper.driver, [], ("image", "y"))
    monkeypatch.setitem(sys.modules, "tensorrt", other)
    with pytest.raises(BundleError, match="has the tensors image uint8, y uint8; the signature has x uint8"):
        Runner(b"engine", RECORD, SIGNATURE)
    assert not paper.driver.held


def test_a_gpu_that_is_not_there_is_named(paper: Any) -> None:
    with pytest.raises(DeviceError, match="there is no GPU 3: the driver finds 1"):
        Runner(b"engine", RECORD, SIGNATURE, number=3)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("Runtime", "deserialize_cuda_engine engine_host_code_allowed"),
        (
            "ICudaEngine",
            "create_execution_context create_runtime_config get_tensor_dtype get_tensor_name num_io_tensors",
        ),
        ("IRuntimeConfig", "cuda_graph_strategy dynamic_shapes_kernel_specialization_strategy"),
        ("CudaGraphStrategy", "WHOLE_GRAPH_CAPTURE"),
        ("DynamicShapesKernelSpecializationStrategy", "EAGER"),
        (
            "IExecutionContext",
            "active_optimization_profile execute_async_v3 set_input_shape set_tensor_address",
        ),
        ("IExecutionContext", "set_optimization_profile_async"),
        ("Refitter", "refit_cuda_engine"),
        ("OnnxParserRefitter", "refit_from_bytes"),
    ],
)
def test_the_library_has_the_names_that_the_runner_calls(kind: str, names: str) -> None:
    library = pytest.importorskip("tensorrt_rtx")
    assert set(names.split()) <= set(dir(getattr(library, kind)))
