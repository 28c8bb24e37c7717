"""Every precision: what it lowers, what it leaves, and what pictures are left of it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from litho.errors import DeviceError, ExportError, UnknownName
from litho.export.engines import build_engine
from litho.export.engines.readback import check_precisions
from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, elements, layers, precision, precision_names
from litho.parity.gate import PSNR_MEAN, Gate, compare
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.training.models.base import family
from litho.training.networks.pixel_model import PixelModel

NAMES = precision_names()[1:]


@pytest.fixture(scope="module")
def picture() -> PixelModel:
    """A DCGAN of random weights that paints more than one grey."""
    torch.manual_seed(0)
    generator = family("dcgan").generator(resolution=16, width=16, latent_size=8).eval()
    for weights in generator.parameters():
        if weights.ndim == 4:
            torch.nn.init.kaiming_normal_(weights)
    return PixelModel(generator, generator.signature()).eval()


@pytest.fixture(scope="module")
def graph(picture: PixelModel) -> bytes:
    return export_graph(picture, picture.signature, {})


@pytest.fixture(scope="module")
def calibration(picture: PixelModel) -> list[Inputs]:
    return [picture.signature.example(16, seed=seed) for seed in (1, 2)]


def lowered(
    name: str, graph: bytes, calibration: list[Inputs], fp32_layers: frozenset[str] = frozenset()
) -> bytes:
    lower = precision(name)
    rewritten, _ = apply_passes(graph, {*default_passes(), *lower.passes})
    return lower.lower(Lowering(rewritten, fp32_layers, calibration))


def pictures(graph: bytes, signature: Signature) -> np.ndarray:
    with Runner(graph, signature) as runner:
        return runner.run(signature.example(32))["image"]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_computes_in_the_precision(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    model = onnx.load_from_string(lowered(name, graph, calibration))
    assert set(elements(model).values()) == {precision(name).element}
    assert len(elements(model)) == len(layers(onnx.load_from_string(graph)))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_stays_in_fp32(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    rewritten, _ = apply_passes(graph, {*default_passes(), *precision(name).passes})
    first, *others = layers(onnx.load_from_string(rewritten))
    found = elements(onnx.load_from_string(lowered(name, graph, calibration, frozenset([first]))))
    assert found[first] == "FLOAT"
    assert {found[name_] for name_ in others} == {precision(name).element}


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_pictures_keep_their_gate(
    name: str, graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    made = pictures(lowered(name, graph, calibration), picture.signature)
    wanted = pictures(graph, picture.signature)
    failed = [figure for figure in compare(made, wanted, precision(name).gate) if not figure.passed]
    assert failed == []
    assert not np.array_equal(made, wanted), "a lower precision leaves a trace"


def test_onnx_runtime_runs_8_bit_floats(graph: bytes, calibration: list[Inputs], picture: PixelModel) -> None:
    made = pictures(lowered("fp8", graph, calibration), picture.signature)
    mean = next(
        figure.value
        for figure in compare(made, pictures(graph, picture.signature), Gate())
        if figure.metric == PSNR_MEAN
    )
    # Random weights are harder to paint in three bits than trained ones.
    assert mean is not None
    assert mean > 20


def test_angles_of_many_turns_are_not_rounded() -> None:
    """y = [cos 1000 t', sin 1000 t'] W + (1 - t'), where t' is t put beside itself."""
    weights = np.random.default_rng(0).standard_normal((4, 2), dtype=np.float32)
    helper = onnx.helper
    nodes = [
        helper.make_node("Concat", ["t", "t"], ["twice"], "twice", axis=1),
        helper.make_node("Mul", ["twice", "turns"], ["angles"], "angles"),
        helper.make_node("Cos", ["angles"], ["cosines"], "cosines"),
        helper.make_node("Sin", ["angles"], ["sines"], "sines"),
        helper.make_node("Concat", ["cosines", "sines"], ["waves"], "waves", axis=1),
        helper.make_node("MatMul", ["waves", "weights"], ["product"], "product"),
        helper.make_node("Sub", ["one", "twice"], ["rest"], "rest"),
        helper.make_node("Add", ["product", "rest"], ["y"], "y"),
    ]
    constants = {"turns": np.float32(1000), "one": np.float32(1), "weights": weights}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "waves",
            [helper.make_tensor_value_info("t", onnx.TensorProto.FLOAT, ["batch", 1])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2])],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    content = model.SerializeToString()
    smaller = precision("fp16").lower(Lowering(content))
    t = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    wanted, made = (
        onnxruntime.InferenceSession(graph).run(None, {"t": t})[0] for graph in (content, smaller)
    )
    assert np.abs(made - wanted).max() < 0.01
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(onnx.load_from_string(smaller)).graph.value_info
    }
    assert types["product"] == types["rest"] == onnx.TensorProto.FLOAT16
    assert types["angles"] == types["cosines"] == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_noise_and_pixels_stay_in_fp32(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    model = onnx.load_from_string(lowered(name, graph, calibration))
    types = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    smaller = {tensor.name for tensor in model.graph.initializer if tensor.data_type in types}
    smaller |= {
        output
        for node in model.graph.node
        for output in node.output
        if node.op_type == "Cast" and node.attribute[0].i in types
    }
    for node in model.graph.node:
        if node.name.startswith(("noise/", "pixels/")):
            assert not smaller & set(node.input), node.name


@pytest.mark.parametrize("name", NAMES)
def test_two_lowerings_are_the_same_bytes(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    assert lowered(name, graph, calibration) == lowered(name, graph, calibration)


def test_onnx_runtime_says_that_it_has_no_bf16(
    graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    with pytest.raises(DeviceError, match="ONNX Runtime refuses the graph: Could not find an implementation"):
        Runner(lowered("bf16", graph, calibration), picture.signature)


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_nothing_to_calibrate_with_is_refused(name: str, graph: bytes) -> None:
    with pytest.raises(ExportError, match="no data for calibration; name some with --calibration"):
        lowered(name, graph, [])


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown precision 'int9'; did you mean 'int8'"):
        precision("int9")


@pytest.mark.parametrize(
    ("name", "target", "runs"),
    [
        ("fp32", "sm75", True),
        ("bf16", "sm75", False),
        ("bf16", "sm80", True),
        ("fp8", "sm86", False),
        ("fp8", "sm120", True),
    ],
)
def test_gpus_have_precisions_from_a_generation_on(name: str, target: str, runs: bool) -> None:
    assert precision(name).runs_on(target) is runs


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bf16", "int8", "fp8"])
def test_engines_of_a_rewritten_dcgan_compute_in_it(name: str, picture: PixelModel, tmp_path: Path) -> None:
    # Wide enough that TensorRT has a kernel of the precision for every layer.
    torch.manual_seed(0)
    generator = family("dcgan").generator(resolution=32, channels=3, width=64).eval()
    wide = PixelModel(generator, generator.signature()).eval()
    graph = export_graph(wide, wide.signature, {})
    made = lowered(name, graph, [wide.signature.example(32)])
    assert check_precisions(build_engine(made, wide.signature, "sm89").read, name) == ""


@pytest.mark.slow
def test_without_the_rewrite_no_bf16_engine_of_a_dcgan_is_built(picture: PixelModel, graph: bytes) -> None:
    plain = precision("bf16").lower(Lowering(graph))
    with pytest.raises(ExportError):
        build_engine(plain, picture.signature, "sm89")
