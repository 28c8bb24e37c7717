"""Parquet files in the layout of the Hugging Face hub: one file, or a folder with splits.

`parquet_rows` describes the columns. The words train, test and validation in names of files or folders mark the
splits. A test split is preferred to a validation split; files without such a word are used only if no file has one. A
folder of several configurations is read by the name of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ....errors import DataError, UsageError
from ..dataset import Dataset
from ..options import Options
from ..parquet_rows import Columns, columns_of, opened, records
from ..paths import find, licence_of, split_of
from ..records import Record, Records, assemble
from .base import Source as BaseSource

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


def _columns(file: Path) -> Columns:
    with opened(file, file) as parquet:
        return columns_of(parquet.schema_arrow, file)


def _records(files: Sequence[Path], columns: Columns) -> Records:
    count = 0
    for file in files:
        with opened(file, file) as parquet:
            count += parquet.metadata.num_rows
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return Records(where, count, _rows(files, columns))


def _rows(files: Sequence[Path], columns: Columns) -> Iterator[Record]:
    for file in files:
        row = 0
        with opened(file, file) as parquet:
            for batch in parquet.iter_batches(_ROWS, columns=columns.read):
                yield from records(batch, columns, str(file), row)
                row += batch.num_rows
