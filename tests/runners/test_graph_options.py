"""Entries of a graph's metadata, against `onnx`, which writes them, and against bytes that are no ONNX file."""

import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper

from litho.errors import BundleError
from litho.runners._graph_options import graph_option, graph_options, with_graph_option


def model(metadata: dict[str, str], weights: bytes = b"") -> onnx.ModelProto:
    """A graph of one node with some metadata and some bytes among its weights."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    raw = helper.make_tensor("w", TensorProto.UINT8, [len(weights)], weights, raw=True)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:], [raw])
    made = helper.make_model(graph, producer_name="litho", doc_string="text", model_version=2**40)
    helper.set_model_props(made, metadata)
    return made


@given(st.dictionaries(st.text(max_size=200), st.text(max_size=200), max_size=6), st.text(max_size=200))
def test_an_entry_is_what_onnx_wrote(metadata: dict[str, str], other: str) -> None:
    content = model(metadata).SerializeToString()
    for key in (*metadata, other):
        assert graph_option(content, key) == metadata.get(key)


def test_weights_and_other_entries_that_hold_the_text_do_not_count() -> None:
    entry = onnx.StringStringEntryProto(key="litho.element", value="FLOAT8E4M3FN").SerializeToString()
    planted = b"\x72" + bytes([len(entry)]) + entry
    content = model(
        {"litho.checkpoint": "litho.element FLOAT8E4M3FN"}, weights=planted * 9
    ).SerializeToString()
    assert planted in content
    assert graph_option(content, "litho.element") is None


def test_a_value_that_is_not_allowed_is_one_line() -> None:
    content = model({"litho.optimization": "most\n" * 100}).SerializeToString()
    with pytest.raises(
        BundleError, match=r"litho\.optimization='most.* \(known: basic, disabled\)"
    ) as caught:
        graph_option(content, "litho.optimization", ("basic", "disabled"))
    assert "\n" not in str(caught.value)
    assert graph_option(content, "litho.element", ("INT8",)) is None


@given(st.binary(max_size=300))
def test_bytes_that_are_no_onnx_file_have_no_entry_or_some_text(content: bytes) -> None:
    assert graph_option(content, "litho.element", ()) is None or b"litho.element" in content


@given(st.data())
def test_a_damaged_file_is_read_without_an_error_of_python(data: st.DataObject) -> None:
    content = bytearray(model({"litho.optimization": "basic", "a": "b" * 200}).SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    assert isinstance(graph_option(cut, "litho.optimization"), str | None)


@pytest.mark.parametrize(
    "content", [b"", b"\x72", b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 30, b"\x0b"]
)
def test_a_length_beyond_the_end_has_no_entry(content: bytes) -> None:
    assert graph_option(content, "litho.element") is None


def test_a_file_of_nothing_but_tiny_fields_takes_no_time() -> None:
    entry = onnx.StringStringEntryProto(key="k", value="v").SerializeToString()
    assert graph_option(b"\x08\x01" * 10_000_000 + b"\x72" + bytes([len(entry)]) + entry, "k") is None


@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=200), max_size=3), st.text(), st.text(max_size=300)
)
def test_an_entry_that_is_added_is_one_for_onnx(metadata: dict[str, str], key: str, value: str) -> None:
    content = with_graph_option(model(metadata).SerializeToString(), key, value)
    read = onnx.load_from_string(content)
    assert {entry.key: entry.value for entry in read.metadata_props} == {**metadata, key: value}
    assert graph_option(content, key) == value
    del read.metadata_props[:]
    assert read == model({})


def test_the_options_of_a_graph_are_those_that_a_runtime_obeys() -> None:
    content = model({"litho.family": "gan", "litho.element": "INT8"}).SerializeToString()
    assert graph_options(content) == {}
    content = with_graph_option(content, "litho.optimization", "basic")
    content = with_graph_option(content, "litho.inference_precision", "bf16")
    assert graph_options(content) == {"optimization": "basic", "inference_precision": "bf16"}
    assert (
        graph_options(with_graph_option(content, "litho.optimization", "disabled"))["optimization"]
        == "disabled"
    )
