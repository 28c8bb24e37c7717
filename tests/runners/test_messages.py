"""What travels between this process and the worker's: arrays, texts, and errors with their meaning."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from litho import errors
from litho.errors import (
    BundleError,
    DeviceError,
    InvalidInput,
    LithoError,
    MissingExtra,
    RuntimeCrash,
    UnknownName,
    out_of_memory,
)
from litho.runners._messages import decode_error, encode, encode_error, read

NUMBERS = st.sampled_from([np.uint8, np.int64, np.float32, np.float16, np.bool_])
ARRAYS = st.one_of(
    NUMBERS.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0))),
    arrays(object, array_shapes(max_dims=2), elements=st.text(max_size=20)),
)


def reader(content: bytes) -> Callable[[int], bytearray]:
    """Reads exactly so many bytes of `content`, as from a socket."""
    stream = io.BytesIO(content)

    def exactly(count: int) -> bytearray:
        part = bytearray(stream.read(min(count, len(content))))
        if len(part) < count:
            raise EOFError
        return part

    return exactly


def through(facts: dict[str, Any], given: dict[str, NDArray[Any]] | None = None) -> Any:
    return read(reader(b"".join(map(bytes, encode(facts, given)))))


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4), st.text())
def test_arrays_and_facts_arrive_as_they_were_sent(given: dict[str, NDArray[Any]], text: str) -> None:
    facts, arrived = through({"do": "run", "text": text, "none": None}, given)
    assert facts == {"do": "run", "text": text, "none": None}
    assert list(arrived) == list(given)
    for name, array in given.items():
        assert arrived[name].dtype == array.dtype
        np.testing.assert_array_equal(arrived[name], array)


def test_an_array_that_is_not_contiguous_arrives_whole() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::-3]
    np.testing.assert_array_equal(through({}, {"a": array})[1]["a"], array)


@given(st.binary(max_size=64))
def test_what_is_no_message_is_an_error_that_the_caller_expects(content: bytes) -> None:
    with pytest.raises((EOFError, ValueError)):
        read(reader(content))


def test_no_array_of_python_objects_is_made_from_a_header() -> None:
    content = b"".join(map(bytes, encode({}, {"a": np.zeros(2)}))).replace(b'"<f8"', b'"|O8"')
    with pytest.raises(ValueError, match="an array of object"):
        read(reader(content))


@pytest.mark.parametrize(
    "error",
    [
        LithoError("ONNX Runtime refuses the graph: x"),
        DeviceError("no GPU"),
        BundleError("changed"),
        InvalidInput("value 10"),
        MissingExtra("openvino", "openvino"),
        UnknownName("variant", "fp32", ["fp16", "fp33"]),
        RuntimeCrash("it hung", hung=True),
    ],
)
def test_an_error_keeps_its_class_its_line_and_what_it_holds(error: LithoError) -> None:
    facts, _ = through(encode_error(error))
    made = decode_error(facts, "the runtime")
    assert type(made) is type(error)
    assert str(made) == str(error)
    held = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(error).items()}
    assert vars(made) == held
    assert not out_of_memory(made)


def test_every_error_of_litho_can_travel() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type):
            error = kind.__new__(kind)
            Exception.__init__(error, "a line")
            assert type(decode_error(encode_error(error), "it")) is kind


def test_the_error_of_a_plug_in_becomes_the_class_that_it_derives_from() -> None:
    class Own(DeviceError):
        """Of a plug-in."""

    assert type(decode_error(encode_error(Own("no such chip")), "it")) is DeviceError


def test_an_error_of_python_is_one_line_of_the_runtime() -> None:
    made = decode_error(encode_error(ValueError("first\nsecond")), "Toy Runtime")
    assert type(made) is LithoError
    assert str(made) == "Toy Runtime failed: ValueError: first"
    assert str(decode_error(encode_error(ValueError()), "Toy Runtime")) == "Toy Runtime failed: ValueError"


def test_a_lack_of_memory_stays_one() -> None:
    assert isinstance(decode_error(encode_error(MemoryError("16 GiB")), "it"), MemoryError)
    behind = LithoError("ONNX Runtime failed: it could not")
    behind.__cause__ = RuntimeError("bad allocation")
    made = decode_error(encode_error(behind), "it")
    assert type(made) is LithoError
    assert out_of_memory(made)
