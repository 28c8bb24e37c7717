"""Datasets of the Hugging Face hub, through the hub's client and its cache.

The parquet files of the repository are used, else the hub's own conversion (`refs/convert/parquet`). Without a
connection the cache is used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ....errors import DataError
from ....extras import require
from ....reporting import human_bytes
from ..dataset import Dataset
from ..options import Options
from ..paths import DATA_VARIABLE, KNOWN_DATASETS, find, licence_of
from .base import Source as BaseSource
from .parquet import choose_files, read_files

__all__ = ["Source"]

REVISIONS = ("main", "refs/convert/parquet")
CARD = "README.md"

_NO_PARQUET = "it has no parquet files, converted ones included"

_NAME = r"[A-Za-z0-9][\w.-]*"
_ID = re.compile(rf"({_NAME}/{_NAME})(?:/({_NAME}))?")


class Source(BaseSource):
    """Downloads parquet files from the hub."""

    def claims(self, name: str) -> bool:
        """Whether it has the form of a hub id or is a known short name, and is not on disk."""
        known = name in KNOWN_DATASETS and bool(KNOWN_DATASETS[name].hub_ids)
        looks_like_a_file = name.endswith((".parquet", ".jsonl"))
        return find(name) is None and not looks_like_a_file and (known or _ID.fullmatch(name) is not None)

    def load(self, name: str, options: Options) -> Dataset:
        """Load `OWNER/NAME`, or its configuration `OWNER/NAME/CONFIGURATION`."""
        wanted = KNOWN_DATASETS[name].hub_ids[0] if name in KNOWN_DATASETS else name
        match = _ID.fullmatch(wanted)
        assert match is not None
        folder = _cached_or_downloaded(name, match[1], match[2], options)
        train, test = choose_files(sorted(folder.rglob("*.parquet")), folder, match[2])
        return read_files(name, train, test, options, licence=licence_of(folder, name))


def _cached_or_downloaded(name: str, repository: str, configuration: str | None, options: Options) -> Path:
    """Folder of the parquet files in the hub's cache; missing files are downloaded."""
    hub = require("huggingface_hub", "train")
    # The same patterns online and offline tell the client whether its cache is complete.
    patterns = [f"*{configuration}/*.parquet" if configuration else "*.parquet", CARD]
    problems: list[str] = []
    for revision in REVISIONS:
        wanted: dict[str, Any] = {"repo_type": "dataset", "revision": revision, "allow_patterns": patterns}
        try:
            listed = hub.snapshot_download(repository, **wanted, dry_run=True)
        except Exception:  # the client raises many kinds, of several packages
            listed = None  # offline, but the cache may have it
        if listed is not None and not _is_wanted(listed, repository, configuration, options):
            problems.append(_NO_PARQUET)
            continue
        try:
            folder = Path(hub.snapshot_download(repository, **wanted))
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line), "")
            problems.append(f"{type(error).__name__}: {reason[:160]}")
            continue
        if any(folder.rglob("*.parquet")):
            return folder
        problems.append(_NO_PARQUET)
    raise DataError(
        f"data {name!r} is not a file or folder, here or in the folder of {DATA_VARIABLE}, and the hub has no usable"
        f" {repository}: {problems[0]}"
    )


def _is_wanted(listed: list[Any], repository: str, configuration: str | None, options: Options) -> bool:
    """Whether the repository has parquet files that fit the memory limit; checked before the download."""
    files = [file for file in listed if file.filename.endswith(".parquet")]
    if not files:
        return False
    choose_files([Path(repository, file.filename) for file in files], Path(repository), configuration)
    encoded = sum(file.file_size or 0 for file in files)
    if encoded > options.most_bytes:
        raise DataError(
            f"{repository} has {human_bytes(encoded)} of parquet files, which take more decoded than the limit of"
            f" {human_bytes(options.most_bytes)} (half of the memory)"
        )
    return True
