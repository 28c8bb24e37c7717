"""Columns and rows of parquet files in the layout of the Hugging Face hub.

image            encoded pictures, as bytes or as {bytes, path}; or the only column of that type
source, target   instead of `image`, for pairs
label            numbers or texts; or the only ClassLabel column of the schema, with its names
caption, text    text of a picture; of a list the first. `prompt` too, as litho's own shards have it
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ...extras import require
from .records import Record

if TYPE_CHECKING:
    import pyarrow

__all__ = ["CAPTIONS", "Columns", "columns_of", "opened", "records"]

CAPTIONS = ("caption", "text", "prompt")
"""Names of what holds a picture's text, the first that is there counts."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns by purpose, and class names if the schema has them."""

    image: str
    source: str | None
    label: str | None
    caption: str | None
    class_names: tuple[str, ...]

    @property
    def read(self) -> list[str]:
        """The columns that hold what is trained on."""
        return [name for name in (self.image, self.source, self.label, self.caption) if name is not None]


def columns_of(schema: pyarrow.Schema, file: Path | str) -> Columns:
    """What the columns of a file are for.

    Raises:
        DataError: it has no column of pictures, or labels of another type; the message names `file`.
    """
    features = _features(schema, file)
    types = {field.name: field.type for field in schema}
    pictures = [name for name, type_ in types.items() if _is_picture(type_)]
    paired = {"source", "target"} <= set(pictures)
    if not paired and "image" not in pictures and len(pictures) != 1:
        held = ", ".join(f"{name} ({type_})" for name, type_ in types.items())
        raise DataError(
            f"{file} has the columns {held or 'none'}; expected a column of pictures (bytes, or {{bytes, path}})"
            " called image, the only one of its type, or the two columns source and target"
        )
    image = "target" if paired else "image" if "image" in pictures else pictures[0]
    classes = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
    label = "label" if "label" in types else classes[0] if len(classes) == 1 and classes[0] in types else None
    caption = next((name for name in CAPTIONS if name in types and _is_text(types[name])), None)
    if label is not None and not _is_label(types[label]):
        raise DataError(f"{file} has labels of type {types[label]}; expected integers or texts")
    names = features.get(label or "", {}).get("names") or ()
    return Columns(image, "source" if paired else None, label, caption, tuple(str(name) for name in names))


def _features(schema: pyarrow.Schema, file: Path | str) -> dict[str, dict[str, Any]]:
    """The hub's metadata of each column."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except KeyError:
        return {}
    except (ValueError, RecursionError, TypeError, AttributeError):
        raise DataError(f"{file} has invalid 'huggingface' metadata; write the file again") from None


def records(batch: pyarrow.RecordBatch, columns: Columns, where: str, first: int = 0) -> Iterator[Record]:
    """The rows of a batch; `where` is the file and `first` the number of the first row, for messages."""
    images = _encoded(batch, columns.image)
    sources = _encoded(batch, columns.source)
    labels, captions = _values(batch, columns.label), _values(batch, columns.caption)
    rows = zip(images, sources, labels, captions, strict=True)
    for row, (image, source, label, caption) in enumerate(rows, first):
        if image is None or (source is None and columns.source is not None):
            raise DataError(f"{where} row {row} has no picture; paths to files outside are not followed")
        yield Record(f"{where} row {row}", image, source, label, _first(caption))


def _encoded(batch: pyarrow.RecordBatch, name: str | None) -> list[bytes | None]:
    if name is None:
        return [None] * batch.num_rows
    column = batch.column(name)
    arrow = require("pyarrow", "train")
    if arrow.types.is_struct(column.type):
        column = require("pyarrow.compute", "train").struct_field(column, "bytes")
    return column.to_pylist()


def _values(batch: pyarrow.RecordBatch, name: str | None) -> list[Any]:
    return [None] * batch.num_rows if name is None else batch.column(name).to_pylist()


def _first(caption: str | list[str] | None) -> str | None:
    return (caption[0] if caption else None) if isinstance(caption, list) else caption


def _is_picture(type_: pyarrow.DataType) -> bool:
    types = require("pyarrow", "train").types
    if types.is_struct(type_):
        return type_.get_field_index("bytes") >= 0 and _is_picture(type_.field("bytes").type)
    return types.is_binary(type_) or types.is_large_binary(type_)


def _is_text(type_: pyarrow.DataType) -> bool:
    types = require("pyarrow", "train").types
    if types.is_list(type_) or types.is_large_list(type_):
        return _is_text(type_.value_type)
    return types.is_string(type_) or types.is_large_string(type_)


def _is_label(type_: pyarrow.DataType) -> bool:
    types = require("pyarrow", "train").types
    value = type_.value_type if types.is_dictionary(type_) else type_
    return types.is_integer(value) or types.is_string(value) or types.is_large_string(value)


@contextmanager
def opened(file: Any, where: Path | str) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile` of a path or of a binary file; errors name `where`."""
    arrow = require("pyarrow", "train")
    try:
        with require("pyarrow.parquet", "train").ParquetFile(file) as parquet:
            yield parquet
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{where} cannot be read as parquet ({reason}); download or write it again") from None
