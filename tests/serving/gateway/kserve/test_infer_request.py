"""Requests of the protocol: what Triton's own client writes is read as it was meant, everything else is refused."""

import json
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from litho.errors import InvalidInput
from litho.serving.gateway.kserve.infer_request import (
    MOST_JSON_BYTES,
    InferRequest,
    RequestReader,
    read_length,
)
from litho.signature import Signature

from .requests import MOST_ROWS, PLAIN, RICH, SIGNATURES, request, seed, values

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def written(
    signature: Signature, inputs: dict[str, NDArray[Any]], binary: dict[str, bool], **options: Any
) -> tuple[bytes, int | None]:
    """A request as Triton's client for HTTP writes it."""
    tensors = []
    for field in signature.inputs:
        if (array := inputs.get(field.name)) is None:
            continue
        shaped = array if field.shape else array[:, None]
        tensors.append(tritonclient.http.InferInput(field.name, list(shaped.shape), field.dtype))
        tensors[-1].set_data_from_numpy(shaped, binary_data=binary[field.name])
    return tritonclient.http.InferenceServerClient.generate_request_body(tensors, **options)


def read(document: Any, raw: bytes = b"", signature: Signature = PLAIN) -> InferRequest:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return RequestReader(signature, MOST_ROWS).read(text + raw, len(text) if raw else None)


@given(st.data(), st.sampled_from(sorted(SIGNATURES)))
def test_what_tritons_client_writes_is_read_as_it_was_meant(data: st.DataObject, name: str) -> None:
    signature = SIGNATURES[name]
    inputs = data.draw(values(signature))
    binary = {name: data.draw(st.booleans()) for name in inputs}
    outputs = data.draw(st.sampled_from([None, False, True]))
    wanted = None if outputs is None else [tritonclient.http.InferRequestedOutput("image", outputs)]
    body, length = written(
        signature, inputs, binary, outputs=wanted, request_id="mine", priority=2, timeout=50
    )
    read = RequestReader(signature, MOST_ROWS).read(body, length)
    expected = signature.check(inputs)
    assert list(read.inputs) == list(expected)
    for field in signature.inputs:
        assert read.inputs[field.name].dtype == field.numpy_dtype
        np.testing.assert_array_equal(read.inputs[field.name], expected[field.name])
    assert (read.identifier, read.priority, read.queue_seconds) == ("mine", 2, 50e-6)
    assert read.binary is (outputs is not False)


@given(st.data(), st.sampled_from(sorted(SIGNATURES)))
def test_a_changed_request_is_read_or_refused_and_nothing_else(data: st.DataObject, name: str) -> None:
    signature = SIGNATURES[name]
    inputs = data.draw(values(signature))
    body, length = written(signature, inputs, {name: data.draw(st.booleans()) for name in inputs})
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 8)))
        changed[start:end] = data.draw(st.binary(max_size=8))
    try:
        read = RequestReader(signature, MOST_ROWS).read(
            bytes(changed), None if length is None else min(length, len(changed))
        )
    except InvalidInput:
        pass
    else:
        again = signature.check(read.inputs)
        assert 1 <= len(next(iter(again.values()))) <= MOST_ROWS


@given(st.data())
def test_any_json_in_any_part_is_read_or_refused(data: st.DataObject) -> None:
    document = request(id="a", parameters={"priority": 1}, outputs=[{"name": "image", "parameters": {}}])
    part: Any = document
    while isinstance(part, dict | list) and part and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list):
            break
        part = part[key]
    if isinstance(part, dict):
        part[data.draw(st.sampled_from([*sorted(part), "more"]))] = data.draw(JSON)
    elif part:
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(JSON)
    try:
        read(document)
    except InvalidInput as error:
        str(error).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "not JSON that can be read"),
        (b"{", "not JSON that can be read"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b"[" * 100_000, "not JSON that can be read"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "not JSON that can be read"),
        (b'{"inputs": [NaN]}', "not JSON that can be read"),
        (b"[]", "no JSON object"),
        (b" " * (MOST_JSON_BYTES + 1), "send tensors as raw bytes"),
        ({}, "no list of objects as 'inputs'; expected seed, label, truncation"),
        (request(inputs=[]), "no list of objects"),
        (request(inputs=[1]), "no list of objects"),
        (request(inputs=request()["inputs"] * 2), "4 inputs; allowed are 3"),
        (request(inputs=request()["inputs"][:1] * 2), "input 'seed' was given twice"),
        (request(inputs=request()["inputs"][:1]), "field 'label' is missing"),
        (request(more=1), "'more'; allowed are id, parameters, inputs, outputs"),
        (request(id=1), "'id' is a text of at most 128"),
        (request(id="x" * 129), "'id' is a text of at most 128"),
        (request(parameters=[]), "'parameters' of the request is an object"),
        (
            request(parameters={"sequence_id": 1}),
            "'sequence_id'; allowed are binary_data_output, priority, receipts, timeout",
        ),
        (request(parameters={"priority": True}), "whole number from 0"),
        (request(parameters={"timeout": -1}), "whole number from 0"),
        (request(parameters={"binary_data_output": 1}), "true or false"),
        (request(outputs=[{"name": "other"}]), "'outputs' was given 'other'; the model has 'image'"),
        (request(outputs=[{"name": "image"}] * 2), "a list of one object"),
        (request(outputs={}), "a list of one object"),
        (request(outputs=[{"name": "image", "parameters": {"classification": 2}}]), "'classification'"),
        (request(outputs=[{"name": "image", "parameters": {"binary_data": "yes"}}]), "true or false"),
        (seed(name="seeds"), "'seeds'; the model takes seed, label, truncation"),
        (seed(name=["seed"]), "the model takes seed"),
        (seed(datatype="FP32"), "datatype 'FP32'; allowed is INT64"),
        (seed(datatype=...), "datatype nothing; allowed is INT64"),
        (seed(shape=[0, 1]), r"shape \[0, 1\]; allowed is \[batch, 1\] with a batch of 1 to 4"),
        (seed(shape=[5, 1], data=[1] * 5), "with a batch of 1 to 4"),
        (seed(shape=[10**9, 10**9]), "with a batch of 1 to 4"),
        (seed(shape=[2]), "allowed is"),
        (seed(shape=[2, 2]), "allowed is"),
        (seed(shape=[-1, 1]), "allowed is"),
        (seed(shape=[2.0, 1]), "allowed is"),
        (seed(shape=[True, 1]), "allowed is"),
        (seed(shape="2,1"), "allowed is"),
        (seed(shape=[1, 1], data=[7]), "a batch of 2 beside fields with a batch of 1"),
        (seed(data=...), "no list as data"),
        (seed(data="77"), "no list as data"),
        (seed(data=[7]), "data of another shape"),
        (seed(data=[[7, 8]]), "data of another shape"),
        (seed(data=[[7], 8]), "data of another shape"),
        (seed(data=[[[7]], [[8]]]), "a value of type array"),
        (seed(data=[7, 8.0]), "a value of type number; allowed is whole numbers"),
        (seed(data=[7, True]), "a value of type boolean"),
        (seed(data=[7, None]), "a value of type null"),
        (seed(data=[7, 2**63]), "a number that INT64 cannot hold"),
        (seed(data=[7, -1]), "field 'seed' was given value -1"),
        (
            seed(parameters={"shared_memory_region": "a"}),
            "'shared_memory_region'; allowed are binary_data_size",
        ),
        (seed(parameters={"binary_data_size": 16}), "'data' and 'binary_data_size'; give one"),
        (seed(data=..., parameters={"binary_data_size": 16}), "the body has 0 bytes left for it"),
        (seed(content={}), "'content'; allowed are name"),
    ],
)
def test_a_bad_request_is_refused_by_what_is_wrong_with_it(document: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(document)


@pytest.mark.parametrize(
    ("data", "raw", "said"),
    [
        (16, bytes(15), "the body has 15 bytes left"),
        (15, bytes(15), r"15 bytes for shape \[2, 1\]; allowed is 16 bytes"),
        (16, bytes(17), "1 bytes that belong to no input"),
        (-16, bytes(16), "whole number from 0"),
        (2**40, bytes(16), "whole number from 0"),
    ],
)
def test_raw_bytes_are_exactly_those_of_the_shapes(data: int, raw: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(seed(data=..., parameters={"binary_data_size": data}), raw)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\x05\0\0\0red", "7 bytes that are not 1 texts"),
        (b"\x03\0\0\0red!", "8 bytes that are not 1 texts"),
        (b"\xff\xff\xff\xffred", "not 1 texts"),
        (b"\x03\0", "not 1 texts"),
        (b"\x01\0\0\0\xff", "not UTF-8"),
        (b"\x01\x10\0\0" + b"a" * 4097, "a text of 4097 bytes"),
    ],
)
def test_raw_texts_are_whole_and_short_enough(raw: bytes, said: str) -> None:
    signature = Signature(inputs=RICH.inputs[:1], output=RICH.output)
    tensor = {
        "name": "prompt",
        "datatype": "BYTES",
        "shape": [1, 1],
        "parameters": {"binary_data_size": len(raw)},
    }
    with pytest.raises(InvalidInput, match=said):
        read({"inputs": [tensor]}, raw, signature)


@pytest.mark.parametrize(
    ("value", "said"), [(256, "UINT8 cannot hold"), (-1, "UINT8 cannot hold"), (1e3, "number")]
)
def test_bytes_of_pictures_are_0_to_255(value: float, said: str) -> None:
    signature = Signature(inputs=RICH.inputs[2:3], output=RICH.output)
    tensor = {"name": "mask", "datatype": "UINT8", "shape": [1, 3, 2, 1], "data": [value] * 6}
    with pytest.raises(InvalidInput, match=said):
        read({"inputs": [tensor]}, signature=signature)


def test_a_number_beyond_fp32_is_no_number() -> None:
    signature = Signature(inputs=RICH.inputs[3:4], output=RICH.output)
    for value, said in ((1e300, "NaN or infinite"), (10**400, "cannot hold"), (5, "value 5.0")):
        tensor = {"name": "pose", "datatype": "FP32", "shape": [1, 2, 3], "data": [value] * 6}
        with pytest.raises(InvalidInput, match=said):
            read({"inputs": [tensor]}, signature=signature)


def test_a_json_that_is_sent_again_keeps_nothing_but_its_own_meaning() -> None:
    reader = RequestReader(PLAIN, MOST_ROWS)
    tensors = [
        {"name": name, "datatype": "INT64", "shape": [1, 1], "parameters": {"binary_data_size": 8}}
        for name in ("seed", "label")
    ]
    text = json.dumps({"inputs": tensors}).encode()
    for values_of in ([1, 0], [2, 2], [1, 1]):
        read = reader.read(text + np.array(values_of).tobytes(), len(text))
        assert [*read.inputs["seed"], *read.inputs["label"]] == values_of
    for raw, said in (
        ([3, 9], "value 9"),
        ([3], "0 bytes left"),
        ([3, 0, 0], "8 bytes that belong to no input"),
    ):
        with pytest.raises(InvalidInput, match=said):
            reader.read(text + np.array(raw).tobytes(), len(text))


def test_the_length_of_the_json_is_a_number_within_the_body() -> None:
    assert read_length(None, 10) is None
    assert read_length(b"10", 10) == 10
    for header in (b"0", b"11", b"-1", b"+5", b"5.0", b"", b"x", b"9" * 5000, b"\xb2"):
        with pytest.raises(InvalidInput, match="allowed is 1 to 10"):
            read_length(header, 10)
