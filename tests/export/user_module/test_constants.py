"""Constants of a signature file: numbers, words and tensors, and files beside it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from litho.export.user_module.constants import MOST_LISTED, read_constant


@pytest.mark.parametrize("value", [None, True, False, 7, -1.5, float("-inf"), "yes", -(2**63)])
def test_numbers_and_words_stay_as_they_are(tmp_path: Path, value: Any) -> None:
    read = read_constant(value, tmp_path)
    assert read.value == value
    assert type(read.value) is type(value)
    assert not read.per_picture


@pytest.mark.parametrize(
    ("given", "dtype", "shape"),
    [
        ([1, 2, 3], np.int64, (3,)),
        ([[0.5], [1]], np.float32, (2, 1)),
        ([[True, False]], np.bool_, (1, 2)),
        ([], np.float32, (0,)),
        ({"value": 999, "per_picture": True}, np.int64, ()),
        ({"value": [0, 255], "dtype": "UINT8"}, np.uint8, (2,)),
        ({"value": 3, "dtype": "FP32"}, np.float32, ()),
        (np.ones((2, 2), np.float64), np.float32, (2, 2)),
        (torch.ones(3, dtype=torch.int32), np.int64, (3,)),
    ],
)
def test_lists_become_tensors(tmp_path: Path, given: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    value = read_constant(given, tmp_path).value
    assert isinstance(value, np.ndarray)
    assert (value.dtype, value.shape) == (np.dtype(dtype), shape)


def test_a_tensor_lies_in_a_file_beside_the_signature(tmp_path: Path) -> None:
    wanted = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "a.npy", wanted)
    save_file({"one": wanted.astype(np.float32), "two": np.ones(2, bool)}, tmp_path / "b.safetensors")
    assert np.array_equal(read_constant({"file": "a.npy"}, tmp_path).value, wanted)
    read = read_constant({"file": "b.safetensors", "array": "two", "per_picture": True}, tmp_path)
    assert read.per_picture
    assert np.array_equal(read.value, [True, True])


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([[1], [2, 3]], "is a ragged list"),
        (["a"], "elements of type <U1; allowed are"),
        ([None], "elements of type object; allowed are"),
        ([10**30], "elements of type object"),
        ([2**63], "more than 64 bits"),
        (2**63, "more than 64 bits"),
        (float("nan"), "is not a number"),
        ({1, 2}, "is a set; allowed is a number, true"),
        ([0] * (MOST_LISTED + 1), "put more than 16384 into a file"),
        ({}, "needs either value or file"),
        ({"value": 1, "file": "a.npy"}, "needs either value or file"),
        ({"vlaue": 1}, "unknown key 'vlaue' (known: value, file"),
        ({"value": 1, "array": "x"}, "names an array but no file"),
        ({"value": 1, "per_picture": 1}, "has per_picture 1; allowed are true and false"),
        ({"value": "a", "per_picture": True}, "elements of type <U1"),
        ({"value": [1.5], "dtype": "INT64"}, "has values that INT64 cannot hold"),
        ({"value": [float("inf")], "dtype": "INT64"}, "has values that INT64 cannot hold"),
        ({"value": [256], "dtype": "UINT8"}, "has values that UINT8 cannot hold"),
        ({"value": [1], "dtype": "FP16"}, "has dtype 'FP16'; allowed are FP32, INT64, UINT8, BOOL"),
        ({"file": "a.pt"}, "it takes a file ending in .npy or .safetensors"),
        ({"file": 3}, "has file 3; it takes"),
        ({"file": "none.npy"}, "none.npy is missing"),
        ({"file": "../a.npy"}, "allowed are relative paths without '..'"),
        ({"file": "/etc/a.npy"}, "allowed are relative paths"),
        ({"file": "link.npy"}, "is a symbolic link"),
        ({"file": "pipe.npy"}, "is not an ordinary file"),
        ({"file": "objects.npy"}, "it holds Python objects"),
        ({"file": "b.safetensors", "array": "three"}, "has array 'three'; b.safetensors has: one, two"),
        ({"file": "b.safetensors"}, "has array None; b.safetensors has: one, two"),
        ({"file": "words.npy"}, "elements of type <U1; allowed are floats"),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(tmp_path: Path, given: Any, complaint: str) -> None:
    np.save(tmp_path / "a.npy", np.ones(2))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    save_file({"one": np.ones(2), "two": np.ones(2)}, tmp_path / "b.safetensors")
    (tmp_path / "link.npy").symlink_to(tmp_path / "a.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ValueError, match=r".") as refused:
        read_constant(given, tmp_path)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_hash_covers_type_shape_and_content(tmp_path: Path) -> None:
    values = [1, 1.0, True, "1", None, [1], [[1]], [1.0], [2], {"value": [1], "per_picture": True}]
    assert len({read_constant(value, tmp_path).sha256() for value in values}) == len(values)
