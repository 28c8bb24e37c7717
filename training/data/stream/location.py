"""Where the shards of a stream lie: a folder or a file, on this machine or behind any URL that `fsspec` opens."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ....bundle.json_documents import parse_json
from ....errors import DataError, UsageError
from ....object_store import ObjectFacts, ObjectStore
from ..paths import DATA_VARIABLE, find, split_of
from .formats.base import formats
from .shard import Shard

__all__ = ["CARD", "Location", "locate"]

CARD = "README.md"
MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True)
class Location:
    """The shards of a stream, with what their store says of them.

    Args:
        store: that holds them.
        train: training shards, without chunks.
        test: test shards; none if training pictures have to be held out.
    """

    store: ObjectStore
    train: tuple[Shard, ...]
    test: tuple[Shard, ...]


def locate(name: str) -> Location:
    """List the shards at a location.

    Args:
        name: a path, a name in the folder of `LITHO_DATA`, or a URL such as s3://BUCKET/FOLDER or
            hf://datasets/OWNER/NAME.

    Raises:
        UsageError: there is nothing, or nothing that is a shard.
        DataError: shards of several formats lie there, or one is missing that a name or a manifest counts.
        StorageError: the location cannot be reached.
    """
    store, found = _listed(name)
    shards = [key for key in found if key.endswith(tuple(formats())) and not _hidden(key)]
    if not shards:
        raise UsageError(
            f"{name!r} has no shards; expected files that end in {' or '.join(formats())}, in it or below it"
        )
    if len(kinds := {PurePosixPath(key).suffix for key in shards}) > 1:
        raise DataError(f"{name!r} has files of {' and '.join(sorted(kinds))}; give a folder with one format")
    hashes = _manifest(store, found)
    if not name.endswith(tuple(formats())):
        _check_complete(store, shards, hashes)
    described = [
        Shard(key=key, size=found[key].size, tag=found[key].tag, sha256=hashes.get(key, (0, None))[1])
        for key in shards
    ]
    for shard in described:
        if shard.sha256 is not None and shard.size != hashes[shard.key][0]:
            raise DataError(
                f"{store.url}/{shard.key} has {shard.size} bytes and not the {hashes[shard.key][0]} of its manifest;"
                " copy or make it again"
            )
    return _split(store, described)


def _listed(name: str) -> tuple[ObjectStore, Mapping[str, ObjectFacts]]:
    url = name
    if "://" not in name:
        path = find(name)
        if path is None:
            raise UsageError(
                f"data {name!r} is not a file or folder, here or in the folder of {DATA_VARIABLE}; give one, or a URL"
                " such as s3://BUCKET/FOLDER"
            )
        url = f"file://{Path(path).absolute()}"
    if url.endswith(tuple(formats())):
        folder, _, key = url.rpartition("/")
        store = ObjectStore(folder)
        facts = store.facts(key)
        if facts is None:
            raise UsageError(f"{name!r} is not there; give a file or folder that is")
        return store, {key: facts}
    store = ObjectStore(url)
    return store, store.listed_facts()


def _hidden(key: str) -> bool:
    """Whether it is a file that somebody is still writing."""
    return any(part.startswith(".") for part in PurePosixPath(key).parts)


def _manifest(store: ObjectStore, found: Mapping[str, ObjectFacts]) -> dict[str, tuple[int, str]]:
    """Shard -> its size and SHA-256, by the manifest that `litho generate --count` writes; other ones say nothing."""
    if MANIFEST not in found or found[MANIFEST].size > MOST_MANIFEST_BYTES:
        return {}
    try:
        document = parse_json((store.read(MANIFEST) or b"").decode())
        shards = document["shards"] if "litho_version" in document else ()
        complete = document.get("complete", True)
        hashes = {str(one["file"]): (int(one["size"]), str(one["sha256"])) for one in shards}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    if not complete:
        raise DataError(
            f"{store.url} holds shards that are still being made ({len(hashes)} are complete); finish"
            " `litho generate`"
        )
    return hashes


def _check_complete(store: ObjectStore, shards: Sequence[str], hashes: Iterable[str]) -> None:
    present, groups = set(shards), defaultdict[tuple[str, str, str], set[int]](set)
    for key in shards:
        if match := re.fullmatch(r"(.*-)(\d{5,})-of-(\d{5,})(\.\w+)", key):
            groups[match[1], match[3], match[4]].add(int(match[2]))
    for (stem, count, suffix), numbers in groups.items():
        absent = next((number for number in range(int(count)) if number not in numbers), None)
        if absent is not None:
            missing, reason = f"{stem}{absent:05}-of-{count}{suffix}", "the names of the others count it"
            raise DataError(f"{store.url}/{missing} is missing ({reason}); put it back")
    if missing := next((key for key in sorted(hashes) if key not in present), None):
        raise DataError(f"{store.url}/{missing} is missing (the manifest lists it); put it back")


def _split(store: ObjectStore, shards: list[Shard]) -> Location:
    splits: dict[str | None, list[Shard]] = {}
    for shard in shards:
        splits.setdefault(split_of(PurePosixPath(shard.key)), []).append(shard)
    if "train" not in splits:
        return Location(store, tuple(shards), ())
    test = splits.get("test") or splits.get("validation") or []
    return Location(store, tuple(splits["train"]), tuple(test))
