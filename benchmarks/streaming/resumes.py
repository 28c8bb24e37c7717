"""What a training that is cut in the middle of a pass gets after it: by litho's order, `datasets` and `webdataset`.

Each way reads a pass over the same shards in batches, is cut after some of them, and goes on in a new object with all
the state that the library gives. A picture that comes in neither part was lost; one that comes in both came twice.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ...extras import require
from ...training.data.batches import Share
from ...training.data.sources import load
from .documents import Resume

__all__ = ["count", "resumes"]


def resumes(shards: Path, batch: int, shuffle: int) -> tuple[Resume, ...]:
    """Cut a pass in its middle by each way.

    Args:
        shards: folder of tar files that `litho generate` wrote, of all pictures of the pass.
        batch: pictures of a step.
        shuffle: pictures that are shuffled together.
    """
    return (
        _litho(shards, batch, shuffle),
        _datasets(shards, batch, shuffle),
        _webdataset(shards, batch, shuffle),
    )


def count(way: str, first: Iterable[Any], second: Iterable[Any], everything: Iterable[Any]) -> Resume:
    """Compare the keys of the pictures before and after the cut with those of the pass."""
    first, wanted = list(first), set(everything)
    uses = Counter([*first, *second])
    return Resume(
        way=way,
        pictures=len(wanted),
        before=len(first),
        lost=len(wanted - set(uses)),
        twice=sum(1 for number in uses.values() if number > 1),
    )


def _litho(shards: Path, batch: int, shuffle: int) -> Resume:
    """litho's stream; pictures are recognised by their bytes, because `Batch` has no keys: equal ones count as one."""
    train, _ = load(f"stream:{shards}").split()
    steps = train.count // batch
    middle = steps // 2

    def read(first: int, end: int) -> Iterator[bytes]:
        batches = train.batches(Share(0, batch, slice(None), shuffle_nimg=shuffle))
        for step in range(first, end):
            yield from (image.tobytes() for image in batches.at(step).images.numpy())
        batches.close()

    whole = list(read(0, steps))
    return count("litho stream:", read(0, middle), read(middle, steps), whole)


def _datasets(shards: Path, batch: int, shuffle: int) -> Resume:
    library = require("datasets", "dev")
    files = sorted(str(path) for path in shards.glob("*.tar"))

    def opened() -> Any:
        found = library.load_dataset("webdataset", data_files={"train": files}, split="train", streaming=True)
        # Without the pictures, which would be decoded.
        return found.select_columns(["__key__"]).shuffle(seed=0, buffer_size=shuffle)

    everything = [one["__key__"] for one in opened()]
    cut = opened()
    first = [one["__key__"] for one in islice(cut, _middle(len(everything), batch))]
    state, later = cut.state_dict(), opened()
    later.load_state_dict(state)
    return count("datasets, state_dict", first, (one["__key__"] for one in later), everything)


def _webdataset(shards: Path, batch: int, shuffle: int) -> Resume:
    library = require("webdataset", "dev")
    files = sorted(str(path) for path in shards.glob("*.tar"))

    def opened() -> Any:
        return library.WebDataset(files, shardshuffle=len(files), seed=0).shuffle(shuffle, seed=0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files to the garbage collector
        everything = [one["__key__"] for one in opened()]
        middle = _middle(len(everything), batch)
        first = [one["__key__"] for one in islice(opened(), middle)]
        # It has no state: a new one begins again, and the training ends after as many pictures as a pass has.
        later = [one["__key__"] for one in islice(opened(), len(everything) - middle)]
    return count("webdataset, which has no state", first, later, everything)


def _middle(pictures: int, batch: int) -> int:
    return pictures // batch // 2 * batch
