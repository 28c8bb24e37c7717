"""Arrays in files: what is read, and what a hostile file is answered."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from litho.errors import DataError
from litho.signature import array_files
from litho.signature.array_files import read_arrays


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("float64", "float32"),
        ("float16", "float32"),
        (">f4", "float32"),
        ("int32", "int64"),
        ("uint16", "int64"),
        ("int64", "int64"),
        ("uint8", "uint8"),
        ("bool", "bool"),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_keep_their_values(tmp_path: Path, dtype: str, wanted: str, order: str) -> None:
    array = np.array(np.arange(6).reshape(2, 3) % 2, dtype, order=order)  # pyright: ignore[reportCallIssue, reportArgumentType]
    np.save(tmp_path / "a.npy", array)
    (read,) = read_arrays(tmp_path / "a.npy").values()
    assert read.dtype == np.dtype(wanted)
    assert read.flags.c_contiguous
    assert np.array_equal(read, array)


def test_arrays_of_safetensors_have_names(tmp_path: Path) -> None:
    save_file({"pose": np.ones((2, 3)), "depth": np.zeros(4, np.uint8)}, tmp_path / "a.safetensors")
    arrays = read_arrays(tmp_path / "a.safetensors")
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "pose": (np.float32, (2, 3)),
        "depth": (np.uint8, (4,)),
    }


def npy(header: str) -> bytes:
    file = io.BytesIO()
    file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.npy", None, "cannot be read: No such file"),
        ("a.npz", b"", "allowed are files ending in .npy or .safetensors"),
        ("a.npy", b"", "is no .npy file, or is damaged"),
        ("a.npy", b"\x80\x04K\x01.", "is no .npy file, or is damaged"),
        (
            "a.npy",
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}\n"),
            "its header claims 4000000000000 bytes, it has 0",
        ),
        ("a.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"), "it holds Python objects"),
        (
            "a.npy",
            npy("{'descr': '<c8', 'fortran_order': False, 'shape': (0,)}\n"),
            "type complex64; allowed",
        ),
        ("a.npy", npy("__import__('os').mkdir('ran')\n"), "is no .npy file"),
        ("a.npy", npy("(" * 5000 + "\n"), "is no .npy file"),
        ("a.safetensors", b"\xff" * 64, "is no .safetensors file"),
        ("a.safetensors", b"", "is no .safetensors file"),
    ],
)
def test_a_file_that_holds_no_arrays_is_named(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_arrays(tmp_path / name)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_pipes_and_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DataError, match="is not an ordinary file"):
        read_arrays(tmp_path / "pipe.npy")
    np.save(tmp_path / "large.npy", np.ones(100))
    monkeypatch.setattr(array_files, "MOST_ARRAY_BYTES", 100)
    with pytest.raises(DataError, match="has 928 bytes; a file of arrays has at most 100"):
        read_arrays(tmp_path / "large.npy")
