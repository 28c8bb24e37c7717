"""WebDataset's tar files: consecutive files that share a name up to its first dot are one picture.

000.png         the picture, or any other ending of an image; `000.target.png` and `000.source.png` for pairs
000.cls         number of its class
000.txt         its text
000.json        an object; `label` and `caption`, `text` or `prompt` are read
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .....bundle.json_documents import parse_json
from .....errors import DataError
from .....object_store import ObjectStore
from .....reporting import human_bytes
from .....signature.image_files import SUFFIXES
from ...parquet_rows import CAPTIONS
from ...records import Record
from ..shard import CHUNK_BYTES, CHUNK_PICTURES, MOST_CHUNK_BYTES, Chunk, Shard
from .base import ShardFormat

__all__ = ["Format", "samples"]

MOST_TEXT_BYTES = 1 << 20
_TEXTS = {"cls", "txt", "json"}


@dataclass
class _Sample:
    """The files of one picture; contents of images are read only if they are wanted."""

    key: str
    first: int
    files: dict[str, bytes | None] = field(default_factory=dict)


class Format(ShardFormat):
    """Reads consecutive bytes of the archive, which begin and end between two pictures."""

    suffix = ".tar"

    def indexed(self, store: ObjectStore, shard: Shard) -> Shard:
        """The shard with chunks of some hundred pictures.

        All headers are read, or the whole file if its hash is known: then it is compared.
        """
        where = f"{store.url}/{shard.key}"
        with store.opened(shard.key) as file:
            if shard.sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                raise _other_content(where)
            file.seek(0)
            chunks: list[Chunk] = []
            labels: set[int | str | None] = set()
            kinds: set[str] = set()
            first, pictures, end = 0, 0, 0
            for sample, end in samples(file, where, images=False):
                if pictures and (pictures == CHUNK_PICTURES or end - first > CHUNK_BYTES):
                    chunks.append(Chunk(pictures=pictures, first=first, size=sample.first - first))
                    first, pictures = sample.first, 0
                if end - sample.first > MOST_CHUNK_BYTES:
                    raise DataError(
                        f"{where} has {human_bytes(end - sample.first)} for picture {sample.key!r}; at most"
                        f" {human_bytes(MOST_CHUNK_BYTES)} are allowed"
                    )
                record = _record(sample, where)
                labels.add(record.label)
                kinds.add("pairs" if record.source is not None else "pictures")
                pictures += 1
            if pictures:
                chunks.append(Chunk(pictures=pictures, first=first, size=end - first))
            if end > shard.size:
                raise DataError(
                    f"{where} is cut short, by {end - shard.size} bytes; download or write it again"
                )
        if len(kinds) > 1:
            raise DataError(f"{where} mixes pairs and single pictures; use one kind")
        return shard.model_copy(
            update={
                "chunks": tuple(chunks),
                "labels": tuple(sorted(labels, key=repr)),
                "columns": "".join(kinds),
            }
        )

    def rows(self, store: ObjectStore, shard: Shard, chunk: Chunk) -> list[Record]:
        """The pictures between two bytes of the archive."""
        where = f"{store.url}/{shard.key}"
        content = store.read(shard.key, chunk.first, chunk.first + chunk.size)
        if content is None:
            raise DataError(f"{where} is missing; put it back")
        found = [_record(sample, where) for sample, _ in samples(io.BytesIO(content), where, images=True)]
        if len(found) != chunk.pictures:
            raise DataError(
                f"{where} has {len(found)} pictures where {chunk.pictures} were; put the file back"
            )
        return found


def samples(file: Any, where: str, *, images: bool) -> Iterator[tuple[_Sample, int]]:
    """The pictures of an archive, each with the byte behind it.

    Args:
        file: the archive, or a part of it that begins and ends between two pictures.
        where: its name, for messages.
        images: read the images too, not only texts and numbers.

    Raises:
        DataError: it is no tar file, is cut short, or has a text of more than a MiB.
    """
    current: _Sample | None = None
    end = 0
    try:
        with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as archive:
            for member in archive:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                key, ending = f"{folder}/{stem}", ending.lower()
                if current is None or key != current.key:
                    if current is not None:
                        yield current, end
                    current = _Sample(key, member.offset)
                current.files[ending] = _content(archive, member, ending, where, images=images)
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            # A damaged header ends the loop like the end of the archive, which is empty blocks or nothing.
            file.seek(archive.offset)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"damaged at byte {archive.offset}")
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{where} cannot be read as a tar file ({error}); download or write it again"
        ) from None
    if current is not None:
        yield current, end


def _content(
    archive: tarfile.TarFile, member: tarfile.TarInfo, ending: str, where: str, *, images: bool
) -> bytes | None:
    text = ending in _TEXTS
    if text and member.size > MOST_TEXT_BYTES:
        raise DataError(f"{where} has {human_bytes(member.size)} in {member.name}; at most 1 MiB is allowed")
    if not text and not images:
        return None
    opened = archive.extractfile(member)
    content = b"" if opened is None else opened.read()
    if len(content) != member.size:
        raise DataError(f"{where} ends in the middle of {member.name}; download or write it again")
    return content


def _record(sample: _Sample, where: str) -> Record:
    found = {ending: content for ending, content in sample.files.items() if f".{ending}".endswith(SUFFIXES)}
    target = next((ending for ending in found if ending.startswith("target.")), None)
    source = next((ending for ending in found if ending.startswith("source.")), None)
    image = target or next((ending for ending in found if ending != source), None)
    name = f"{where} {sample.key.lstrip('/')}"
    if image is None or (source is None) != (target is None):
        held = ", ".join(sorted(sample.files))
        raise DataError(f"{name} has the files {held}; expected one image, or source and target")
    record = Record(name, found[image] or b"", None if source is None else found[source] or b"")
    return _with_texts(record, sample)


def _with_texts(record: Record, sample: _Sample) -> Record:
    label: Any = None
    caption: Any = None
    try:
        if (content := sample.files.get("json")) is not None:
            document = parse_json(content.decode())
            if not isinstance(document, dict):
                raise ValueError("its JSON is no object")
            label = document.get("label")
            caption = next((document[name] for name in CAPTIONS if document.get(name)), None)
        if (content := sample.files.get("cls")) is not None:
            label = content.decode().strip()
            with suppress(ValueError):
                label = int(label)
        if (content := sample.files.get("txt")) is not None:
            caption = content.decode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{record.where} cannot be read ({error}); replace it or take it out") from None
    if not isinstance(label, int | str | None) or isinstance(label, bool):
        raise DataError(f"{record.where} has label {label!r}; expected a whole number or a text")
    if not isinstance(caption, str | None):
        raise DataError(f"{record.where} has a caption that is no text: {caption!r}")
    return replace(record, label=label, caption=caption)


def _other_content(where: str) -> DataError:
    return DataError(f"{where} has another content than its manifest says; copy or make it again")
