"""Engines as TensorRT-RTX really builds them, without a GPU: what they compute in, and what stops a build."""

import json
import os
import select
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, checker, helper
from torch import Tensor, nn

from litho.errors import DeviceError, ExportError, MissingExtra, UnknownName, UsageError
from litho.export.engines import EngineOptions, build_engine, check_precisions
from litho.export.engines.readback import Layer, Operand, layers_of_json, layers_of_log, read_back
from litho.export.graph import export_graph
from litho.signature import Signature
from litho.signature.fields import Field, image_output, mask_field, seed_field, source_field
from litho.training.models import Generator
from litho.training.networks.pixel_model import PixelModel

from ..smallest import smallest_generator

ELEMENTS = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
CODES = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}
SIGNATURE = Signature(
    inputs=(Field(name="x", role="latent", dtype="FP32", shape=(3, 8, 8)),),  # pyright: ignore
    output=Field(name="y", role="latent", dtype="FP32", shape=(12,)),  # pyright: ignore
)
PRODUCTS = ("first", "second", "last")


class Filler(Generator):
    """Fills the hole of a picture by one convolution, with noise where there is any."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.convolution = nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        *noise, source, mask = inputs
        known = source * (1 - mask)
        levels = sum((latent.mean(1)[:, None, None, None] for latent in noise), torch.zeros_like(mask))
        return known + mask * torch.tanh(self.convolution(torch.cat((known, mask, levels + 0 * mask), 1)))

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        seed = (seed_field(),) if self.latent_size else ()
        inputs: Any = (*seed, source_field(16, 12, 3), mask_field(16, 12))
        return Signature(inputs=inputs, output=image_output(16, 12, 3))


def graph(precision: str, fp32_layers: tuple[str, ...] = (), squared: bool = False) -> bytes:
    """Two convolutions and a matrix product in a precision; those in `fp32_layers` stay in FP32.

    With `squared`, a product without weights in FP32 comes before them.
    """
    usual, code, random = (
        ELEMENTS.get(precision, TensorProto.FLOAT),
        CODES.get(precision),
        np.random.default_rng(0),
    )
    constants, nodes, current = [], [], "x"

    def constant(name: str, values: Any, element: int) -> str:
        values = np.asarray(values, dtype=np.float32)
        constants.append(helper.make_tensor(name, element, values.shape, values.ravel().tolist()))
        return name

    def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def quantised(value: str, name: str) -> str:
        if code is None:
            return value
        levels = [constant(f"{name}.scale", 0.05, usual), constant(f"{name}.zero", 0, code)]
        return node(
            "DequantizeLinear", [node("QuantizeLinear", [value, *levels], f"{name}.q"), *levels], f"{name}.dq"
        )

    if squared:
        current = node("MatMul", [current, current], "square")
    for name, shape in zip(PRODUCTS, ((16, 3, 3, 3), (8, 16, 3, 3), (8, 12)), strict=True):
        element = TensorProto.FLOAT if name in fp32_layers else usual
        if name == "last":
            axes = helper.make_tensor("axes", TensorProto.INT64, (2,), [2, 3])
            constants.append(axes)
            current = node("ReduceMean", [current, "axes"], "mean", keepdims=0)
        current = node("Cast", [current], f"{name}.cast", to=element)
        weights = constant(f"{name}.weights", random.normal(size=shape) * 0.1, element)
        if name not in fp32_layers:
            current, weights = quantised(current, f"{name}.x"), quantised(weights, f"{name}.w")
        if name == "last":
            current = node("MatMul", [current, weights], name)
        else:
            current = node("Relu", [node("Conv", [current, weights], name, pads=[1] * 4)], f"{name}.relu")
    nodes.append(helper.make_node("Cast", [current], ["y"], name="cast", to=TensorProto.FLOAT))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        for name, shape in (("x", (3, 8, 8)), ("y", (12,)))
    ]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize("latent_size", [0, 3])
def test_engines_take_images_and_masks(latent_size: int) -> None:
    torch.manual_seed(0)
    generator = Filler(latent_size)
    picture = PixelModel(generator, generator.signature()).eval()
    content = export_graph(picture, picture.signature, {})
    steps: list[tuple[str, float]] = []
    built = build_engine(
        content,
        picture.signature,
        "sm86",
        EngineOptions(((1, 2, 4),)),
        progress=lambda *step: steps.append(step),
    )
    assert len(built.engine) > 10_000
    assert steps
    assert all(0 <= share <= 1 for _, share in steps)
    assert built.record.products == {"node_convolution": "fp32"} or list(built.record.products.values()) == [
        "fp32"
    ]


@pytest.mark.slow
def test_what_is_made_of_convolutions_builds_for_turing() -> None:
    # It has no matrix product in FP32 there; tests/test_families.py builds all families for later GPUs.
    target = "sm75"
    torch.manual_seed(0)
    generator = smallest_generator("superres")
    picture = PixelModel(generator, generator.signature()).eval()
    read = build_engine(export_graph(picture, picture.signature, {}), picture.signature, target).read
    assert len(read.products) > 2
    assert check_precisions(read, "fp32") == ""


@pytest.mark.parametrize(("precision", "target"), [("fp16", "sm75"), ("fp32", "sm86"), ("fp32", "sm120")])
def test_the_record_says_what_an_engine_was_built_from_and_for(precision: str, target: str) -> None:
    options = EngineOptions(profiles=((1, 1, 4), (2, 8, 16)), workspace_bytes=1 << 30)
    built = build_engine(graph(precision), SIGNATURE, target, options)
    record = built.record
    assert (record.library, record.target, record.gpu, record.tf32) == ("tensorrt-rtx", target, None, False)
    assert record.system.startswith("linux-")
    assert record.profiles == ((1, 1, 4), (2, 8, 16))
    assert record.workspace_bytes == 1 << 30
    assert record.timing_cache_sha256 is None
    assert "Engine generation completed in # seconds" in built.log
    assert options.batches == (1, 1, 16)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "fp8"])
def test_an_engine_says_what_each_product_is_computed_in(precision: str) -> None:
    built = build_engine(graph(precision), SIGNATURE, "sm89")
    assert built.read.products == dict.fromkeys(PRODUCTS, precision)
    assert check_precisions(built.read, precision) == ""
    assert built.record.layers[precision] >= len(PRODUCTS)
    assert any(len(layer.nodes) > 1 for layer in built.read.layers), "ReLU is fused with its convolution"


@pytest.mark.parametrize("asked", ["fp16", "bf16", "int8", "fp8"])
def test_an_engine_that_is_silently_fp32_is_caught(asked: str) -> None:
    built = build_engine(graph("fp32"), SIGNATURE, "sm89")
    complaint = check_precisions(built.read, asked)
    assert complaint.startswith(f"asked for {asked}, but 3 of 3 convolutions and matrix products are not")
    assert "first in fp32" in complaint


def test_only_what_is_listed_may_stay_in_fp32() -> None:
    read = build_engine(graph("fp16", fp32_layers=("second",)), SIGNATURE, "sm86").read
    assert read.products == {"first": "fp16", "second": "fp32", "last": "fp16"}
    assert check_precisions(read, "fp16", fp32_layers=("second",)) == ""
    assert "1 of 3" in check_precisions(read, "fp16", fp32_layers=("first",))


def test_a_product_without_weights_need_not_be_quantised() -> None:
    read = build_engine(graph("int8", squared=True), SIGNATURE, "sm86").read
    assert read.unweighted == {"square"}
    assert read.products == {"square": "fp32", **dict.fromkeys(PRODUCTS, "int8")}
    assert check_precisions(read, "int8") == ""
    assert "4 of 4" in check_precisions(read, "fp16")


@pytest.mark.parametrize(("lost", "found"), [(("fp16",), "fp16"), (("fp16", "fp32"), None), ((), None)])
def test_a_product_that_no_layer_mentions_is_among_those_that_lost_their_origin(
    lost: tuple[str, ...], found: str | None
) -> None:
    known = [layer for layer in build_engine(graph("fp16"), SIGNATURE, "sm86").read.layers if layer.nodes]
    parts = [Layer(f"part{place}", "kgen", kind, 0, ()) for place, kind in enumerate((*lost, "none"))]
    read = read_back("builder", [*known, *parts], {"elsewhere": Operand("fp16", weighted=True)})
    assert read.products == {"elsewhere": found}
    assert ("elsewhere in an unknown precision" in check_precisions(read, "fp16")) is (found is None)


def test_the_inspector_s_json_reads_like_the_builder_s_log() -> None:
    tensor = {"Name": "a", "Dimensions": [-1, 3, 8, 8], "Datatype": "Half", "Format": "(NHWC)"}
    constants = [
        {"Name": "w", "Dimensions": [16, 3, 3, 3], "Datatype": "Half"},
        {"Name": "s", "Dimensions": [1], "Datatype": "Float"},
    ]
    entry = {"Name": "conv", "LayerType": "correlation", "Inputs": [tensor], "Outputs": [tensor]}
    entry |= {"Constants": constants, "Metadata": "[ONNX Layer: first]\x1f[ONNX Layer: first.relu]"}
    text = json.dumps({"Layers": [entry]})
    (layer,) = layers_of_json(text)
    assert (layer.precision, layer.weights, layer.nodes) == ("fp16", 432, ("first", "first.relu"))
    for nothing in ("", "[]", "{}", '{"Layers": []}', '{"Layers": ["conv"]}'):
        with pytest.raises(ExportError, match="does not say"):
            layers_of_json(nothing)
    with pytest.raises(ExportError, match="does not say"):
        layers_of_log("Layers:\n")


def test_two_builds_log_and_compute_the_same() -> None:
    first, second = (build_engine(graph("fp16"), SIGNATURE, "sm86") for _ in range(2))
    assert (first.log, first.read.to_json(), first.record) == (
        second.log,
        second.read.to_json(),
        second.record,
    )
    assert len(first.engine) == len(second.engine)


def test_what_is_no_graph_or_no_target_is_refused_in_one_line() -> None:
    with pytest.raises(ExportError, match="cannot parse the graph") as refused:
        build_engine(b"nonsense", SIGNATURE, "sm86")
    assert "\n" not in str(refused.value)
    with pytest.raises(UnknownName, match="unknown target 'sm68'"):
        build_engine(b"", SIGNATURE, "sm68")


@pytest.mark.parametrize(
    ("precision", "target", "complaint"),
    [
        ("fp32", "sm75", "'last' for Turing .*FP32 GEMM is not supported"),
        ("bf16", "sm75", "HW-specific datatypes: b16"),
        ("fp8", "sm86", "HW-specific datatypes: fp8"),
    ],
)
def test_what_a_gpu_cannot_compute_is_said(precision: str, target: str, complaint: str) -> None:
    with pytest.raises(ExportError, match=f"built no engine for {target}: .*{complaint}"):
        build_engine(graph(precision), SIGNATURE, target)


def test_a_workspace_too_small_is_said() -> None:
    with pytest.raises(ExportError, match=r"built no engine for sm86: .*workspace"):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(workspace_bytes=1 << 10))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"timing_cache": b"x"}, "keeps no timing cache"),
        ({"version_compatible": True}, "no version- or hardware-compatible engines"),
        ({"hardware_compatible": "ampere-and-later"}, "no version- or hardware-compatible engines"),
    ],
)
def test_what_the_library_has_not_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(**options))


@pytest.mark.parametrize(
    "options",
    [{"profiles": ()}, {"profiles": ((0, 1, 2),)}, {"profiles": ((1, 8, 4),)}, {"workspace_bytes": 0}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EngineOptions(**options)


def test_stripping_weights_needs_a_driver(without_gpu: None) -> None:
    with pytest.raises(
        DeviceError, match="needs an NVIDIA GPU to strip weights: no NVIDIA GPU can be used here"
    ):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(strip_weights=True))


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_tensorrt_itself_is_asked_for_by_its_extra() -> None:
    with pytest.raises(MissingExtra, match=r"'tensorrt' is not installed; .* pip install 'litho\[gpu\]'"):
        build_engine(graph("fp32"), SIGNATURE, "sm90", runtime="tensorrt")


def test_a_build_that_is_stopped_leaves_no_process() -> None:
    def stop(phase: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(graph("fp32"), SIGNATURE, "sm86", progress=stop)
    assert not _children()


def test_a_builder_that_dies_is_said_in_one_line() -> None:
    def kill(phase: str, share: float) -> None:
        for child in _children():
            os.kill(child, signal.SIGKILL)

    with pytest.raises(ExportError, match=r"TensorRT-RTX broke off while it built for sm86 \(exit code -9\)"):
        build_engine(graph("fp32"), SIGNATURE, "sm86", progress=kill)


def test_a_builder_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(graph("fp32"))
    (tmp_path / "signature.json").write_text(SIGNATURE.model_dump_json())
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from litho.export.engines import build_engine\n"
        "from litho.signature import Signature\n"
        "def end(phase, share):\n"
        "    children = Path(f'/proc/self/task/{os.getpid()}/children').read_text()\n"
        "    print(children, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "signature = Signature.model_validate_json(Path('signature.json').read_text())\n"
        "build_engine(Path('graph.onnx').read_bytes(), signature, 'sm86', progress=end)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    try:
        worker = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([worker], [], [], 60)
        assert ended, "the worker is still there"
    finally:
        os.close(worker)


def _children() -> list[int]:
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return [int(word) for word in own.read_text().split()]
