"""An engine's layers as the builder's log and the inspector tell them: the precision of each product."""

import json

import pytest

from litho.errors import ExportError
from litho.export.engines import build_engine, check_precisions
from litho.export.engines.readback import Layer, Operand, layers_of_json, layers_of_log, read_back

from .conftest import PRODUCTS, SIGNATURE, graph

pytestmark = pytest.mark.slow


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
