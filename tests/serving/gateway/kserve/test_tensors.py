"""Single tensors: shapes as they travel, and keys that nobody reads."""

import numpy as np
import pytest

from litho.errors import InvalidInput
from litho.serving.gateway.kserve.tensors import check_keys, read_json, read_raw, tensor_shape, wire_shape

from .requests import FREE, PLAIN, RICH


def test_a_field_without_a_shape_travels_with_one_value_for_each_picture() -> None:
    assert [wire_shape(field) for field in PLAIN.inputs] == [(1,), (1,), (1,)]
    assert wire_shape(RICH.inputs[3]) == (2, 3)
    assert wire_shape(FREE.inputs[0]) == (-1, -1, 1)


def test_free_sizes_are_any_in_the_shape_and_limited_by_the_field() -> None:
    (field,) = FREE.inputs
    shape = tensor_shape(field, {"datatype": "UINT8", "shape": [1, 10**6, 2, 1]}, 4)
    assert shape == (1, 10**6, 2, 1)
    with pytest.raises(InvalidInput, match=r"\[batch, any, any, 1\] with a batch of 1 to 4"):
        tensor_shape(field, {"datatype": "UINT8", "shape": [1, 2, 2, 3]}, 4)
    with pytest.raises(InvalidInput, match="2000000 bytes"):
        read_raw(field, memoryview(bytes(10)), shape)
    with pytest.raises(InvalidInput, match="2000000 values"):
        read_json(field, [1] * 10, shape)


def test_raw_numbers_are_not_copied() -> None:
    content = memoryview(np.arange(6, dtype="<f4").tobytes())
    array = read_raw(RICH.inputs[3], content, (1, 2, 3))
    assert np.shares_memory(array, np.frombuffer(content, np.uint8))


def test_a_key_that_nobody_reads_is_refused() -> None:
    check_keys({"a": 1}, ("a", "b"), "it")
    with pytest.raises(InvalidInput, match="it was given 'c'; allowed are a, b"):
        check_keys({"a": 1, "c": 2}, ("a", "b"), "it")
