"""Folders of images: one folder per class, one flat folder, or files listed in a `metadata.jsonl`.

    train/cat/1.png  train/dog/2.png  test/cat/3.png    splits and classes
    cat/1.png  dog/2.png                                classes
    1.png  2.png                                        neither labels nor captions
    metadata.jsonl  1.png                               {"file_name": "1.png", "text": "a cat", "label": "cat"}
    metadata.jsonl  a/1.png  b/1.png                    {"source_file_name": "a/1.png", "target_file_name": "b/1.png"}

The layout is that of the hub's ImageFolder. Folders count as splits if all folders with images have names of splits
and one is for training; a test split is preferred to a validation split. The first folder of an image's path is its
class. Images are ordered by path, or by the lines of the metadata.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from ....errors import DataError, IntegrityError
from ....files import confined
from ....signature.image_files import SUFFIXES
from ..dataset import Dataset
from ..options import Options
from ..paths import SPLITS, find, licence_of
from ..records import Record, Records, assemble
from .base import Source as BaseSource
from .webdataset import holds_tar_files

__all__ = ["Source"]

METADATA = "metadata.jsonl"
_NOT_PICTURES = (METADATA, "README.md", "LICENSE")


class Source(BaseSource):
    """Reads folders of image files."""

    def claims(self, name: str) -> bool:
        """Whether it is a folder without parquet files, and not one of tar files."""
        path = find(name)
        if path is None or not path.is_dir() or any(path.rglob("*.parquet")):
            return False
        return not holds_tar_files(path)

    def load(self, name: str, options: Options) -> Dataset:
        """Load the images with their classes or captions."""
        root = find(name)
        assert root is not None
        files, others = _files(root)
        notes = (
            (f"{len(others)} files of {root} are not images and were skipped, such as {others[0]}",)
            if others
            else ()
        )
        return assemble(
            name,
            [_records(root / part, inside) for part, inside in _split(files, root)],
            options,
            licence=licence_of(root, name),
            notes=notes,
        )


def _files(root: Path) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Sorted paths below `root` of images and of other files that are not hidden."""
    images: list[PurePosixPath] = []
    others: list[PurePosixPath] = []
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = PurePosixPath((Path(folder) / name).relative_to(root).as_posix())
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                images.append(path)
            elif name not in _NOT_PICTURES and not name.startswith("."):
                others.append(path)
    if not images:
        raise DataError(f"folder {root} has no images; allowed are {', '.join(SUFFIXES)}, and .parquet files")
    return sorted(images), sorted(others)


def _unreadable(error: OSError) -> None:
    raise DataError(f"folder {error.filename} cannot be read: {error.strerror}")


def _split(files: list[PurePosixPath], root: Path) -> list[tuple[str, list[PurePosixPath]]]:
    """(folder, paths of images below it) of the training part and, if there is one, of the test part."""
    tops = {file.parts[0] if len(file.parts) > 1 else "" for file in files}
    # Compare whole names: a class may be called train_station.
    named = {SPLITS.get(top.lower()): top for top in tops}
    if (root / METADATA).is_file() or None in named or "train" not in named:
        return [("", files)]
    chosen = [named["train"], *(named[split] for split in ("test", "validation") if split in named)][:2]
    return [(top, [file.relative_to(top) for file in files if file.parts[0] == top]) for top in chosen]


def _records(root: Path, files: list[PurePosixPath]) -> Records:
    if (root / METADATA).is_file():
        lines = (root / METADATA).read_bytes().split(b"\n")
        rows = [_from_line(root, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        return Records(str(root / METADATA), len(rows), rows)
    loose = [file for file in files if len(file.parts) == 1]
    if loose and len(loose) < len(files):
        raise DataError(
            f"{root / loose[0]} is beside folders of images; move it into the folder of its class, or move all"
            " images into one folder"
        )
    rows = [Record(str(root / file), root / file, label=None if loose else file.parts[0]) for file in files]
    return Records(str(root), len(rows), rows)


def _from_line(root: Path, number: int, line: bytes) -> Record:
    where = f"{root / METADATA} line {number}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(
            f"{where} is not an object; expected one such as {{'file_name': 'a.png', 'text': 'a cat'}}"
        )
    paired = "target_file_name" in row
    image = _path(root, row, "target_file_name" if paired else "file_name", where)
    label, caption = row.get("label"), row.get("caption", row.get("text"))
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        raise DataError(f"{where} has label {label!r}; expected a number or a text")
    if not isinstance(caption, str | None):
        raise DataError(f"{where} has caption {caption!r}; expected a text")
    source = _path(root, row, "source_file_name", where) if paired else None
    return Record(str(image), image, source, label, caption)


def _path(root: Path, row: dict[str, Any], key: str, where: str) -> Path:
    name = row.get(key)
    if not isinstance(name, str):
        raise DataError(f"{where} has {key} {name!r}; expected the path of an image below {root}")
    try:
        path = confined(root, name)
    except IntegrityError as error:
        raise DataError(f"{where}: {error}") from None
    if not path.is_file():
        raise DataError(f"{where} names {path}, which does not exist")
    return path
