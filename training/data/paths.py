"""Where a dataset lies on disk and which of its files are for training: paths, `LITHO_DATA`, splits, licences.

`--data NAME` is looked for, in this order: as a path; as a folder or file of that name in the folder that the
environment variable `LITHO_DATA` names; there again under the short name of a set of `KNOWN_DATASETS`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

__all__ = [
    "DATA_VARIABLE",
    "KNOWN_DATASETS",
    "SPLITS",
    "KnownDataset",
    "find",
    "licence_of",
    "local_names",
    "split_of",
]

DATA_VARIABLE = "LITHO_DATA"


@dataclass(frozen=True)
class KnownDataset:
    """A set that is known under a short name.

    Args:
        licence: SPDX identifier of the images.
        hub_ids: the same set on the Hugging Face hub; a bare short name downloads the first.
    """

    licence: str
    hub_ids: tuple[str, ...] = ()


KNOWN_DATASETS = {
    "mnist": KnownDataset("MIT", ("ylecun/mnist", "rasbt/mnist-pngs")),
    "fashion_mnist": KnownDataset("MIT", ("zalando-datasets/fashion_mnist",)),
    "emoji": KnownDataset("Apache-2.0"),
    "emoji_restyle": KnownDataset("Apache-2.0"),
}
"""Short name -> what is known of the set."""

SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""Name of a folder, or word in a file's name -> the split that it means."""


def find(name: str) -> Path | None:
    """The file or folder that `name` names, or None."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    folder = _data_folder()
    if folder is None or path.is_absolute() or ".." in path.parts:
        return None
    short = next((short for short, known in KNOWN_DATASETS.items() if name in known.hub_ids), name)
    candidates = (folder / candidate for candidate in (name, short))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def local_names() -> tuple[str, ...]:
    """What lies in the folder of `LITHO_DATA`."""
    folder = _data_folder()
    if folder is None or not folder.is_dir():
        return ()
    return tuple(
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() or entry.suffix == ".parquet")
    )


def split_of(path: PurePath) -> str | None:
    """The split that a file's or folder's path names, as the hub reads it: "train", "test", "validation" or None.

    Words count that stand alone (`train-00000-of-00002.parquet`, `default/test/0000.parquet`); what is nearer to the
    file counts before what is further up.
    """
    for part in reversed(path.parts):
        words = re.split(r"[^a-z]+", part.lower())
        if named := next((SPLITS[word] for word in words if word in SPLITS), None):
            return named
    return None


def licence_of(folder: Path, name: str) -> str:
    """The licence that the folder's card (`README.md` with a YAML head, as on the hub) or `KNOWN_DATASETS` names."""
    card = folder / "README.md"
    if card.is_file():
        head = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
        if head and (named := re.search(r"^license:\s*(?:-\s*)?['\"]?([\w.+-]+)", head[1], re.MULTILINE)):
            return named[1]
    known: Iterable[KnownDataset] = (
        known for short, known in KNOWN_DATASETS.items() if name in (short, *known.hub_ids)
    )
    return next((set_.licence for set_ in known), "unknown")


def _data_folder() -> Path | None:
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder).expanduser() if folder else None
