"""Files that training libraries read many pictures from; the same pictures give the same bytes.

A WebDataset shard is a tar archive with two files for each picture: its PNG, and its fields as JSON. A Parquet shard
has the columns of a Hugging Face data set: `image` with the PNG as `bytes` and its name as `path`, and one for each
field.
"""

from __future__ import annotations

import io
import json
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownName
from ...extras import require
from ...reporting import png
from ...signature import Signature
from ...signature.fields import Field

__all__ = ["FORMATS", "ShardWriter", "key_of", "open_shard", "plain_values", "recorded_fields", "shard_name"]

_ROWS_PER_GROUP = 256
"""Rows of a Parquet file that are written together: so many PNG are held in memory."""

_KINDS = {"INT64": "int64", "FP32": "float32", "UINT8": "uint8", "BYTES": "string"}
"""Type of a field -> its name in Hugging Face's features, and in Arrow's types."""


class ShardWriter(ABC):
    """Writes pictures into one file, in order."""

    pattern: ClassVar[str]

    @abstractmethod
    def add(self, key: str, image: NDArray[np.uint8], values: Mapping[str, Any]) -> None:
        """Add a picture, UINT8 of shape (height, width, channels), with the values of its fields."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""


class _Tar(ShardWriter):
    pattern = "{number:05d}.tar"

    def __init__(self, path: Path, signature: Signature) -> None:
        self._archive = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - `close` closes it

    def add(self, key: str, image: NDArray[np.uint8], values: Mapping[str, Any]) -> None:
        self._add(f"{key}.png", png(image))
        self._add(f"{key}.json", json.dumps(values, ensure_ascii=False).encode())

    def _add(self, name: str, content: bytes) -> None:
        # Neither times nor owners, which TarInfo leaves at 0: the same pictures give the same bytes.
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        self._archive.addfile(entry, io.BytesIO(content))

    def close(self) -> None:
        self._archive.close()


class _Parquet(ShardWriter):
    pattern = "data/train-{number:05d}-of-{shards:05d}.parquet"

    def __init__(self, path: Path, signature: Signature) -> None:
        self._arrow: Any = require("pyarrow", "parquet")
        self._names = [field.name for field in recorded_fields(signature)]
        self._writer = require("pyarrow.parquet", "parquet").ParquetWriter(path, self._schema(signature))
        self._rows: list[dict[str, Any]] = []

    def _schema(self, signature: Signature) -> Any:
        arrow = self._arrow
        image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        kinds = {field.name: _KINDS[field.dtype] for field in recorded_fields(signature)}
        columns = [("image", image), *((name, getattr(arrow, kind)()) for name, kind in kinds.items())]
        features = {
            "image": {"_type": "Image"},
            **{name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()},
        }
        return arrow.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})

    def add(self, key: str, image: NDArray[np.uint8], values: Mapping[str, Any]) -> None:
        self._rows.append({"image": {"bytes": png(image), "path": f"{key}.png"}, **values})
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._writer.schema))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


FORMATS: dict[str, type[ShardWriter]] = {"webdataset": _Tar, "parquet": _Parquet}
"""Name of a format -> what writes its files."""


def open_shard(name: str, path: Path, signature: Signature) -> ShardWriter:
    """A writer of the format called `name`.

    Raises:
        UnknownName: there is no such format.
        MissingExtra: its library is not installed.
    """
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)
    kind: Any = FORMATS[name]
    return kind(path, signature)


def shard_name(name: str, number: int, shards: int) -> str:
    """Path of a shard inside its folder."""
    return FORMATS[name].pattern.format(number=number, shards=shards)


def key_of(row: int) -> str:
    """The name of a picture, by its number from 0."""
    return f"{row:09d}"


def recorded_fields(signature: Signature) -> tuple[Field, ...]:
    """The fields that are recorded with each picture: numbers and texts, no arrays."""
    return tuple(field for field in signature.inputs if not field.shape)


def plain_values(signature: Signature, inputs: Mapping[str, NDArray[Any]], row: int) -> dict[str, Any]:
    """The recorded fields of a row, as JSON has them."""
    return {field.name: _plain(inputs[field.name][row]) for field in recorded_fields(signature)}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
