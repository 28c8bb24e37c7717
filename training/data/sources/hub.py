"""A dataset of the Hugging Face hub, through the hub's own client and its cache.

What the repository holds as parquet is taken; where it holds none, the hub's own conversion to parquet
(`refs/convert/parquet`). Where the hub cannot be reached, what the cache already holds is used.
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

_NO_PARQUET = "it holds no parquet files, and the hub has converted none"

_NAME = r"[A-Za-z0-9][\w.-]*"
_ID = re.compile(rf"({_NAME}/{_NAME})(?:/({_NAME}))?")


class Source(BaseSource):
    """Downloads parquet files from the hub."""

    def claims(self, name: str) -> bool:
        """Whether it has the form of an id, or is a set known by its short name, and lies nowhere here."""
        known = name in KNOWN_DATASETS and bool(KNOWN_DATASETS[name].hub_ids)
        looks_like_a_file = name.endswith((".parquet", ".jsonl"))
        return find(name) is None and not looks_like_a_file and (known or _ID.fullmatch(name) is not None)

    def load(self, name: str, options: Options) -> Dataset:
        """The pictures of `OWNER/NAME`, or of its configuration `OWNER/NAME/CONFIGURATION`."""
        wanted = KNOWN_DATASETS[name].hub_ids[0] if name in KNOWN_DATASETS else name
        match = _ID.fullmatch(wanted)
        assert match is not None
        folder = _cached_or_downloaded(name, match[1], match[2], options)
        train, test = choose_files(sorted(folder.rglob("*.parquet")), folder, match[2])
        return read_files(name, train, test, options, licence=licence_of(folder, name))


def _cached_or_downloaded(name: str, repository: str, configuration: str | None, options: Options) -> Path:
    """The folder in the hub's cache that holds the parquet files, fetched if they are not there."""
    hub = require("huggingface_hub", "train")
    # The same patterns with and without a network: the client then knows whether its cache is complete.
    patterns = [f"*{configuration}/*.parquet" if configuration else "*.parquet", CARD]
    problems: list[str] = []
    for revision in REVISIONS:
        wanted: dict[str, Any] = {"repo_type": "dataset", "revision": revision, "allow_patterns": patterns}
        try:
            listed = hub.snapshot_download(repository, **wanted, dry_run=True)
        except Exception:  # the client raises many kinds, of several packages
            listed = None  # not to be reached, but the cache may hold it
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
        f"data {name!r} is no file or folder, here or in the folder that {DATA_VARIABLE} names, and the hub did not"
        f" give {repository}: {problems[0]}"
    )


def _is_wanted(listed: list[Any], repository: str, configuration: str | None, options: Options) -> bool:
    """Whether the repository has parquet files; said before anything large is fetched."""
    files = [file for file in listed if file.filename.endswith(".parquet")]
    if not files:
        return False
    choose_files([Path(repository, file.filename) for file in files], Path(repository), configuration)
    encoded = sum(file.file_size or 0 for file in files)
    if encoded > options.most_bytes:
        raise DataError(
            f"{repository} has {human_bytes(encoded)} of parquet files, and decoded more; allowed are"
            f" {human_bytes(options.most_bytes)} (half of the memory)"
        )
    return True
