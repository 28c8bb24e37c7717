"""A graph for one value of an integer input: the same pictures, and less to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from litho.errors import ExportError, InvalidInput, UnknownName
from litho.export.fixed_inputs import fix_input
from litho.export.graph import export_graph
from litho.export.passes import apply_passes
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.training.models.base import family
from litho.training.run.snapshot import load_snapshot, save_snapshot

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Signature]:
    """The exported graph of a tiny conditional GAN, whose classes differ, and its signature."""
    import torch

    torch.manual_seed(0)
    generator = family("cgan").generator(classes=10, width=8).eval()
    for module in generator.modules():
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, 1, 0.5)
        elif isinstance(module, torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    path = tmp_path_factory.mktemp("runs") / "conditional"
    save_snapshot(path, generator, family="cgan", preset="cgan-digits")
    picture = load_snapshot(path).picture()
    return export_graph(picture, picture.signature, {}), picture.signature


def small(
    nodes: list[Any],
    constants: dict[str, Any] | None = None,
    *,
    label: tuple[Any, int] = (["batch"], TensorProto.INT64),
    fed: Any = ("batch", 4),
) -> bytes:
    """A graph of a label and a picture x, y out; a table of four values for each of three labels is there."""
    constants = {"table": np.arange(12, dtype=np.float32).reshape(3, 4)} | (constants or {})
    read = {name for _, inputs, *_ in nodes for name in inputs}
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [name], **dict(*rest)) for kind, inputs, name, *rest in nodes],
        "graph",
        [
            helper.make_tensor_value_info("label", label[1], label[0]),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, fed),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
            if name in read
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True).SerializeToString()


def same(graph: bytes, fixed: bytes, label: int, shape: tuple[int, ...] = (4,)) -> None:
    """Both graphs give the same numbers in several batches."""
    import onnxruntime

    before, after = (
        onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]) for one in (graph, fixed)
    )
    assert [value.name for value in after.get_inputs()] == ["x"]
    for batch in (1, 2, 5):
        x = np.random.default_rng(batch).standard_normal((batch, *shape)).astype(np.float32)
        (wanted,) = before.run(None, {"label": np.full(batch, label), "x": x})
        (given,) = after.run(None, {"x": x})
        assert np.asarray(given).shape == np.asarray(wanted).shape
        assert np.abs(np.asarray(given) - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("label", [0, 3, 9])
def test_a_conditional_gan_makes_the_same_pictures_with_fewer_nodes(
    conditional: tuple[bytes, Signature], label: int
) -> None:
    graph, signature = conditional
    fixed = fix_input(graph, "label", label)
    assert fixed == fix_input(graph, "label", label)
    folded, changed = apply_passes(fixed, ["folding", "cleanup"])
    # Of three conditional normalisations: their scales and shifts, and the one that torch has not folded itself.
    assert changed["folding"] == 7
    model = onnx.load_from_string(folded)
    kinds = {node.op_type for node in model.graph.node if "noise" not in node.name}
    assert "BatchNormalization" not in kinds
    assert "Gather" not in kinds
    assert len(model.graph.node) < len(onnx.load_from_string(graph).graph.node) - 15
    left = Signature.model_validate_json(
        next(entry.value for entry in model.metadata_props if entry.key == "litho.signature")
    )
    assert left == signature.model_copy(
        update={"inputs": tuple(field for field in signature.inputs if field.name != "label")}
    )
    with Runner(graph, signature) as before, Runner(folded, left) as after:
        for batch in (1, 3, 8):
            inputs = signature.example(batch, seed=batch)
            inputs["label"][:] = label
            wanted = before.run(inputs)["image"].astype(int)
            given = after.run({name: array for name, array in inputs.items() if name != "label"})["image"]
            assert np.ptp(wanted) > 50
            assert np.abs(given - wanted).max() <= 1
            assert (given == wanted).mean() >= 0.999


@pytest.mark.parametrize("label", [-1, 10])
def test_a_value_that_the_signature_does_not_allow_is_refused(
    conditional: tuple[bytes, Signature], label: int
) -> None:
    with pytest.raises(InvalidInput, match="0 to 9"):
        fix_input(conditional[0], "label", label)


LOOK_UP: Any = ("Gather", ["table", "label"], "e")


@pytest.mark.parametrize(
    "nodes",
    [
        [LOOK_UP, ("Mul", ["x", "e"], "y")],
        [LOOK_UP, ("Concat", ["x", "e"], "y", {"axis": 1})],
        [LOOK_UP, ("Concat", ["x", "e"], "a", {"axis": 1}), ("Concat", ["e", "a"], "y", {"axis": 1})],
        [LOOK_UP, ("Concat", ["e", "x", "e"], "y", {"axis": 1})],
        [LOOK_UP, ("Add", ["row", "e"], "a"), ("Add", ["a", "x"], "y")],
        [LOOK_UP, ("ReduceSum", ["x", "zero"], "total"), ("Add", ["total", "e"], "y")],
        [
            LOOK_UP,
            ("Shape", ["label"], "n"),
            ("Concat", ["n", "two"], "s", {"axis": 0}),
            ("Reshape", ["e", "s"], "f"),
        ]
        + [("Reshape", ["x", "s"], "g"), ("Concat", ["f", "g"], "y", {"axis": 1})],
        [("Shape", ["x"], "s"), ("Expand", ["one", "s"], "a"), LOOK_UP, ("Mul", ["a", "e"], "b")]
        + [("Add", ["b", "x"], "y")],
        [("Cast", ["label"], "c", {"to": TensorProto.FLOAT}), ("Unsqueeze", ["c", "axis"], "u")]
        + [("Mul", ["x", "u"], "y")],
    ],
    ids=[
        "scale",
        "beside x",
        "twice",
        "on both sides",
        "with constants",
        "a sum over the batch",
        "sizes",
        "x's shape",
        "itself",
    ],
)
def test_every_use_of_the_input_keeps_what_the_graph_makes(nodes: list[Any]) -> None:
    constants = {
        "row": np.ones((1, 4), np.float32),
        "zero": np.array([0]),
        "two": np.array([2, 2]),
        "one": np.ones(1, np.float32),
        "axis": np.array([1]),
    }
    graph = small(nodes, constants)
    fixed = fix_input(graph, "label", 2)
    same(graph, fixed, 2)
    assert "Gather" not in {node.op_type for node in onnx.load_from_string(fixed).graph.node}


def test_an_input_that_nothing_reads_is_taken_out() -> None:
    graph = small([("Neg", ["x"], "y")])
    same(graph, fix_input(graph, "label", 1), 1)


def test_what_is_no_input_is_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown input 'labl'; did you mean 'label'\?"):
        fix_input(small([LOOK_UP, ("Mul", ["x", "e"], "y")]), "labl", 1)


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        (
            [("Mul", ["x", "label"], "y")],
            {"label": (["batch", 4], TensorProto.FLOAT)},
            r"only INT64 of shape \(batch",
        ),
        ([LOOK_UP, ("Mul", ["x", "e"], "y")], {"fed": (1, 4)}, "no other input says how many pictures"),
        ([LOOK_UP, ("Add", ["e", "e"], "y")], {}, "output 'y' depends on input 'label' alone"),
        (
            [LOOK_UP, ("ReduceSum", ["e", "zero"], "t"), ("Mul", ["x", "t"], "y")],
            {},
            "'t' depends on the size of other inputs too",
        ),
        (
            [LOOK_UP, ("Shape", ["e"], "s"), ("Expand", ["x", "s"], "y")],
            {},
            "more than the batch from its shape",
        ),
    ],
    ids=["pixels", "another batch", "nothing else", "a sum of labels", "its shape"],
)
def test_what_cannot_be_fixed_is_refused(nodes: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        fix_input(small(nodes, {"zero": np.array([0])}, **options), "label", 1)


def test_a_value_that_the_graph_does_not_have_is_refused() -> None:
    with pytest.raises(ExportError, match=r"input 'label' cannot be fixed at 3: .*out of data bounds"):
        fix_input(small([LOOK_UP, ("Mul", ["x", "e"], "y")]), "label", 3)
