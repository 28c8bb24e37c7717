"""Locations of datasets on disk, their splits and licences.

`--data NAME` is searched as a path, then as a file or folder in the folder of the environment variable `LITHO_DATA`,
then there under the short name of one of `KNOWN_DATASETS`.
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
    "licence_in",
    "licence_of",
    "local_names",
    "split_of",
]

DATA_VARIABLE = "LITHO_DATA"


@dataclass(frozen=True)
class KnownDataset:
    """A dataset with a short name.

    Args:
        licence: SPDX identifier of the images.
        hub_ids: ids of the dataset on the Hugging Face hub; the short name downloads the first.
    """

    licence: str
    hub_ids: tuple[str, ...] = ()


KNOWN_DATASETS = {
    "mnist": KnownDataset("MIT", ("ylecun/mnist", "rasbt/mnist-pngs")),
    "fashion_mnist": KnownDataset("MIT", ("zalando-datasets/fashion_mnist",)),
    "emoji": KnownDataset("Apache-2.0"),
    "emoji_restyle": KnownDataset("Apache-2.0"),
}
"""Short name -> licence and hub ids."""

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
"""Folder name, or word in a file name -> split."""


def find(name: str) -> Path | None:
    """The file or folder called `name`; None if there is none."""
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
    """Names of the datasets in the folder of `LITHO_DATA`."""
    folder = _data_folder()
    if folder is None or not folder.is_dir():
        return ()
    return tuple(
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() or entry.suffix == ".parquet")
    )


def split_of(path: PurePath) -> str | None:
    """Split named by a path, by the rules of the hub: "train", "test", "validation" or None.

    Only whole words count (`train-00000-of-00002.parquet`, `default/test/0000.parquet`), and the last folder or file
    with such a word decides.
    """
    for part in reversed(path.parts):
        words = re.split(r"[^a-z]+", part.lower())
        if named := next((SPLITS[word] for word in words if word in SPLITS), None):
            return named
    return None


def licence_of(folder: Path, name: str) -> str:
    """The licence from the folder's dataset card (`README.md` with a YAML head), else from `KNOWN_DATASETS`."""
    card = folder / "README.md"
    if card.is_file() and (named := licence_in(card.read_text(encoding="utf-8", errors="replace"))):
        return named
    known: Iterable[KnownDataset] = (
        known for short, known in KNOWN_DATASETS.items() if name in (short, *known.hub_ids)
    )
    return next((set_.licence for set_ in known), "unknown")


def licence_in(card: str) -> str | None:
    """The licence that a dataset card names in its YAML head; None if it names none."""
    head = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    named = re.search(r"^license:\s*(?:-\s*)?['\"]?([\w.+-]+)", head[1], re.MULTILINE) if head else None
    return named[1] if named else None


def _data_folder() -> Path | None:
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder).expanduser() if folder else None
