"""Parquet files in the layout of the Hugging Face hub: one file, or a folder with splits.

    image            encoded pictures, as bytes or as {bytes, path}; or the only column of that type
    source, target   instead of `image`, for pairs
    label            numbers or texts; or the only ClassLabel column of the schema, with its names
    caption, text    text of a picture; of a list the first

The words train, test and validation in names of files or folders mark the splits. A test split is preferred to a
validation split; files without such a word are used only if no file has one. A folder of several configurations is
read by the name of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import DataError, UsageError
from ....extras import require
from ..dataset import Dataset
from ..options import Options
from ..paths import find, licence_of, split_of
from ..records import Record, Records, assemble
from .base import Source as BaseSource

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Source", "choose_files", "read_files"]

_ROWS = 1024


class Source(BaseSource):
    """Reads parquet files and folders of them."""

    def claims(self, name: str) -> bool:
        """Whether it is a parquet file, or a folder that contains one."""
        path = find(name)
        return path is not None and (
            path.suffix == ".parquet" if path.is_file() else any(path.rglob("*.parquet"))
        )

    def load(self, name: str, options: Options) -> Dataset:
        """Load the pictures with their labels, captions or sources."""
        path = find(name)
        assert path is not None
        if path.is_file():
            return read_files(name, [path], [], options, licence=licence_of(path.parent, name))
        files = sorted(path.rglob("*.parquet"))
        train, test = choose_files(files, path)
        return read_files(name, train, test, options, licence=licence_of(path, name))


def choose_files(
    files: Sequence[Path], root: Path, configuration: str | None = None
) -> tuple[list[Path], list[Path]]:
    """Choose training and test files.

    Args:
        files: the parquet files below `root`, sorted.
        root: the folder.
        configuration: name of the configuration, if the folder has several.

    Raises:
        UsageError: there are several configurations and none was named, or the named one is missing.
    """
    groups: dict[str, list[Path]] = {}
    for file in files:
        folders = file.relative_to(root).parent.parts
        group = "/".join(part for part in folders if part != "data" and split_of(Path(part)) is None)
        groups.setdefault(group, []).append(file)
    if configuration is None and len(groups) > 1:
        raise UsageError(f"{root} has several configurations; name one of them: {', '.join(sorted(groups))}")
    if configuration not in (None, *groups):
        raise UsageError(f"{root} has no configuration {configuration!r}; it has {', '.join(sorted(groups))}")
    chosen = next(iter(groups.values())) if configuration is None else groups[configuration]
    splits: dict[str | None, list[Path]] = {}
    for file in chosen:
        splits.setdefault(split_of(file.relative_to(root)), []).append(file)
    if "train" not in splits:
        return chosen, []
    return splits["train"], splits.get("test", splits.get("validation", []))


def read_files(
    name: str, train: Sequence[Path], test: Sequence[Path], options: Options, *, licence: str
) -> Dataset:
    """Read parquet files as a dataset.

    Args:
        name: the value of `--data`.
        train: training files.
        test: test files; none to split the training files.
        options: form of the pictures.
        licence: of the pictures.

    Raises:
        DataError: a file is damaged, or lacks a required column.
    """
    columns = _columns(train[0])
    for file in (*train[1:], *test):
        if _columns(file) != columns:
            raise DataError(
                f"{file} has other columns, labels or class names than {train[0]}; all files must agree"
            )
    parts = [_records(files, columns) for files in (train, test) if files]
    return assemble(name, parts, options, licence=licence, class_names=columns.class_names)


@dataclass(frozen=True)
class _Columns:
    """Names of the columns by purpose, and class names if the schema has them."""

    image: str
    source: str | None
    label: str | None
    caption: str | None
    class_names: tuple[str, ...]

    @property
    def read(self) -> list[str]:
        return [name for name in (self.image, self.source, self.label, self.caption) if name is not None]


def _columns(file: Path) -> _Columns:
    with _opened(file) as parquet:
        schema = parquet.schema_arrow
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
    caption = next((name for name in ("caption", "text") if name in types and _is_text(types[name])), None)
    if label is not None and not _is_label(types[label]):
        raise DataError(f"{file} has labels of type {types[label]}; expected integers or texts")
    names = features.get(label or "", {}).get("names") or ()
    return _Columns(image, "source" if paired else None, label, caption, tuple(str(name) for name in names))


def _features(schema: pyarrow.Schema, file: Path) -> dict[str, dict[str, Any]]:
    """The hub's metadata of each column."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except KeyError:
        return {}
    except (ValueError, RecursionError, TypeError, AttributeError):
        raise DataError(f"{file} has invalid 'huggingface' metadata; write the file again") from None


def _records(files: Sequence[Path], columns: _Columns) -> Records:
    count = 0
    for file in files:
        with _opened(file) as parquet:
            count += parquet.metadata.num_rows
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return Records(where, count, _rows(files, columns))


def _rows(files: Sequence[Path], columns: _Columns) -> Iterator[Record]:
    for file in files:
        row = 0
        with _opened(file) as parquet:
            for batch in parquet.iter_batches(_ROWS, columns=columns.read):
                images = _encoded(batch, columns.image)
                sources = _encoded(batch, columns.source)
                labels, captions = _values(batch, columns.label), _values(batch, columns.caption)
                for image, source, label, caption in zip(images, sources, labels, captions, strict=True):
                    where = f"{file} row {row}"
                    if image is None or (source is None and columns.source is not None):
                        raise DataError(f"{where} has no picture; paths to files outside are not followed")
                    yield Record(where, image, source, label, _first(caption))
                    row += 1


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
def _opened(file: Path) -> Iterator[Any]:
    """Open a file; errors name it."""
    arrow = require("pyarrow", "train")
    try:
        with require("pyarrow.parquet", "train").ParquetFile(file) as parquet:
            yield parquet
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{file} cannot be read as parquet ({reason}); download or write it again") from None
