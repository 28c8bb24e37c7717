"""An engine's layers as the builder's log and the inspector tell them: the precision of each product."""

import json

import pytest

from litho.errors import ExportError
from litho.export.engines import build_engine, check_precisions
from litho.export.engines.readback import Layer, layers_of_json, layers_of_log, read_back
from litho.export.naming import Naming
from litho.export.precisions import precision as load_precision
from litho.export.variants import misnamed

from .conftest import PRODUCTS, SIGNATURE, graph


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "fp8"])
def test_an_engine_says_what_each_product_is_computed_in(precision: str) -> None:
    content = graph(precision)
    built = build_engine(content, SIGNATURE, "sm89")
    assert built.read.products == dict.fromkeys(PRODUCTS, precision)
    share = None if precision == "fp32" else 1.0
    assert check_precisions(built.read, content, precision) == Naming(share)
    # The same rule reads the same from the graph.
    assert misnamed(content, load_precision(precision), ()) == Naming(share)
    assert built.record.layers[precision] >= len(PRODUCTS)
    assert any(len(layer.nodes) > 1 for layer in built.read.layers), "ReLU is fused with its convolution"


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["fp16", "bf16", "int8", "fp8"])
def test_an_engine_that_is_silently_fp32_is_caught(asked: str) -> None:
    built = build_engine(graph("fp32"), SIGNATURE, "sm89")
    named = check_precisions(built.read, graph("fp32"), asked)
    assert named.share == 0
    assert named.complaint.startswith(
        f"asked for {asked}, but 3 of 3 convolutions and matrix products are not"
    )
    assert "first in fp32" in named.complaint


@pytest.mark.slow
def test_only_what_is_listed_may_stay_in_fp32_and_it_counts_by_its_arithmetic() -> None:
    counts = {"first": 16 * 64 * 27, "second": 8 * 64 * 144, "last": 96}
    whole = sum(counts.values())
    content = graph("fp16", fp32_layers=("first",))
    read = build_engine(content, SIGNATURE, "sm86").read
    assert read.products == {"first": "fp32", "second": "fp16", "last": "fp16"}
    named = check_precisions(read, content, "fp16", fp32_layers=("first",))
    assert named == Naming(round(1 - counts["first"] / whole, 4))
    assert "1 of 3" in check_precisions(read, content, "fp16", fp32_layers=("second",)).complaint
    content = graph("fp16", fp32_layers=("second",))
    read = build_engine(content, SIGNATURE, "sm86").read
    named = check_precisions(read, content, "fp16", fp32_layers=("second",))
    assert named.share == round(1 - counts["second"] / whole, 4)
    assert named.complaint.startswith(
        "only 27% of the multiply-adds are in FP16, and 50% must be: second has 73%"
    )


@pytest.mark.slow
def test_a_product_without_weights_need_not_be_quantised_and_counts_all_the_same() -> None:
    content = graph("int8", squared=True)
    read = build_engine(content, SIGNATURE, "sm86").read
    assert read.products == {"square": "fp32", **dict.fromkeys(PRODUCTS, "int8")}
    square, rest = 3 * 8 * 8 * 8, 16 * 64 * 27 + 8 * 64 * 144 + 96
    assert check_precisions(read, content, "int8") == Naming(round(rest / (rest + square), 4))
    assert "4 of 4" in check_precisions(read, content, "fp16").complaint


LOST = [(("fp16",), "fp16"), (("fp16", "fp32"), None), ((), None)]


@pytest.mark.parametrize(("lost", "found"), LOST)
def test_a_product_that_no_layer_mentions_is_among_those_that_lost_their_origin(
    lost: tuple[str, ...], found: str | None
) -> None:
    known = Layer("known", "gemm", "fp16", 10, ("known",))
    parts = [Layer(f"part{place}", "kgen", kind, 0, ()) for place, kind in enumerate((*lost, "none"))]
    products = {"known": "fp16", **dict.fromkeys(PRODUCTS, "fp16")}
    read = read_back("builder", [known, *parts], products)
    assert read.products == {"known": "fp16", **dict.fromkeys(PRODUCTS, found)}
    complaint = check_precisions(read, graph("fp16"), "fp16").complaint
    assert ("first in an unknown precision" in complaint) is (found is None)


@pytest.mark.parametrize(
    ("kind", "weights", "known", "found"),
    [
        ("fp16", 0, "fp16", "fp16"),
        ("fp32", 0, "fp16", None),
        ("fp16", 9, "fp16", None),
        ("fp16", 0, "int8", None),
    ],
)
def test_a_product_that_no_layer_mentions_is_in_a_fusion_of_its_type(
    kind: str, weights: int, known: str, found: str | None
) -> None:
    layers = [
        Layer("known", "gemm", known, 10, ("known",)),
        Layer("fusion", "kgen", kind, weights, ("noise", "reshape")),
    ]
    assert read_back("builder", layers, {"first": "fp16"}).products == {"first": found}


@pytest.mark.parametrize("turned", [False, True])
def test_a_product_is_computed_where_its_weights_are(turned: bool) -> None:
    layers = [
        Layer("weights", "gemm", "int8", 432, ("first", "first.relu")),
        Layer("bias", "kgen", "fp32", 16, ("first",)),
        Layer("border", "shuffle", "fp16", 0, ("first",)),
    ]
    read = read_back("inspector", layers[::-1] if turned else layers, {"first": "fp32"})
    assert read.products == {"first": "int8"}


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_layers_of_a_product_that_with_the_most_weights_tells(turned: bool) -> None:
    layers = [
        Layer("product", "correlation", "fp32", 432, ("first",)),
        Layer("gain", "kgen", "int8", 16, ("first",)),
        Layer("border", "shuffle", "fp16", 0, ("first",)),
    ]
    read = read_back("inspector", layers[::-1] if turned else layers, {"first": "fp16"})
    assert read.products == {"first": "fp32"}


@pytest.mark.parametrize(("kinds", "found"), [(("fp16", "int8"), "int8"), (("fp16", "bf16"), "fp32")])
def test_a_product_without_weights_is_computed_in_what_it_is_quantised_to_or_else_in_its_type(
    kinds: tuple[str, ...], found: str
) -> None:
    layers = [Layer(kind, "gemm", kind, 0, ("square",)) for kind in kinds]
    assert read_back("inspector", layers, {"square": "fp32"}).products == {"square": found}


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
