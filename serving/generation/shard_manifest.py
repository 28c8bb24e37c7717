"""The manifest of a folder of shards: what was asked for, what is complete, and in what two runs differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ...bundle.json_documents import Document

__all__ = ["MANIFEST_NAME", "SCHEMA_VERSION", "Shard", "ShardManifest", "difference"]

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1


class Shard(Document):
    """A file with consecutive pictures.

    Args:
        file: its path in the folder.
        first: number of its first picture, from 0.
        pictures: how many.
        size: in bytes.
        sha256: of the file.
    """

    file: str
    first: int
    pictures: int
    size: int
    sha256: str


class ShardManifest(Document):
    """What a folder of shards holds, and what it was asked for.

    It depends on the request and the pictures alone, and not on how many workers made them or failed.

    Args:
        schema_version: of this document.
        litho_version: that started it.
        target: what made the pictures: kind, name, hashes, variant.
        format: name of the files' format.
        count: pictures in all.
        per_shard: pictures of a shard; the last may have fewer.
        first_seed: picture number n has this seed plus n.
        fields: values of every other field that was given, which repeat in turn; of arrays their SHA-256.
        shards: those that are complete, in order and without a gap.
        ahead: of an unfinished run, those that are complete behind a gap, in order; else left out.
        complete: whether `shards` are all.
    """

    schema_version: int = SCHEMA_VERSION
    litho_version: str
    target: dict[str, str]
    format: str
    count: int
    per_shard: int
    first_seed: int
    fields: dict[str, list[Any] | str]
    shards: tuple[Shard, ...] = ()
    ahead: tuple[Shard, ...] = ()
    complete: bool = False

    @model_serializer(mode="wrap")
    def _without_an_empty_end(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document = write(self)
        if not document["ahead"]:
            del document["ahead"]  # so a finished run is read by every litho, whoever made it
        return document

    @property
    def shard_count(self) -> int:
        """Shards in all."""
        return -(-self.count // self.per_shard)

    def rows(self, number: int) -> range:
        """Numbers of the pictures of a shard."""
        first = number * self.per_shard
        return range(first, min(first + self.per_shard, self.count))

    def finished(self) -> dict[int, Shard]:
        """The complete shards by number."""
        return {shard.first // self.per_shard: shard for shard in (*self.shards, *self.ahead)}

    def with_shards(self, finished: dict[int, Shard]) -> ShardManifest:
        """The same request with these shards complete, by number."""
        whole = next(
            (number for number in range(self.shard_count) if number not in finished), self.shard_count
        )
        return self.model_copy(
            update={
                "shards": tuple(finished[number] for number in range(whole)),
                "ahead": tuple(_behind(finished, whole)),
                "complete": whole == self.shard_count,
            }
        )


def _behind(finished: dict[int, Shard], whole: int) -> Iterable[Shard]:
    return (finished[number] for number in sorted(finished) if number >= whole)


def difference(found: ShardManifest, wanted: ShardManifest) -> str | None:
    """The first fact in which two requests differ, in words."""
    for name in ("target", "format", "count", "per_shard", "first_seed", "fields"):
        theirs, ours = getattr(found, name), getattr(wanted, name)
        if theirs == ours:
            continue
        if isinstance(theirs, dict):
            key = next(key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key))
            name, theirs, ours = f"{name}.{key}", theirs.get(key), ours.get(key)
        return f"{name} is {_short(theirs)} there and {_short(ours)} here"
    return None


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:76]}..."
