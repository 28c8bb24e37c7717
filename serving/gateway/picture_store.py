"""Pictures that are handed out by URL: in memory, for a while, the oldest going first."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .pictures import PictureFormat

__all__ = ["PictureStore", "StoredPicture"]

_NAME_BYTES = 24
"""Of randomness in a name: who has the name may have the picture."""


@dataclass(frozen=True)
class StoredPicture:
    """One picture of the store.

    Args:
        content: the file.
        form: of the file.
        until: when it goes, by the store's clock.
    """

    content: bytes
    form: PictureFormat
    until: float


class PictureStore:
    """Pictures by random names.

    Args:
        most_bytes: of all pictures together.
        seconds: how long each stays.
        clock: gives seconds, like `time.monotonic`.
    """

    def __init__(self, most_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._seconds, self._clock = most_bytes, seconds, clock
        self._pictures: OrderedDict[str, StoredPicture] = OrderedDict()
        self._bytes = 0

    def add(self, content: bytes, form: PictureFormat) -> str:
        """Store a picture and return its name; the oldest go where the memory does not suffice."""
        self._drop_old()
        while self._pictures and self._bytes + len(content) > self._most_bytes:
            self._drop_first()
        name = f"{secrets.token_urlsafe(_NAME_BYTES)}.{form}"
        self._pictures[name] = StoredPicture(content, form, self._clock() + self._seconds)
        self._bytes += len(content)
        return name

    def get(self, name: str) -> StoredPicture | None:
        """The picture of a name; None if there is none, or no longer."""
        self._drop_old()
        return self._pictures.get(name)

    @property
    def size_bytes(self) -> int:
        """Of all pictures together."""
        return self._bytes

    def _drop_old(self) -> None:
        now = self._clock()
        while self._pictures and next(iter(self._pictures.values())).until <= now:
            self._drop_first()

    def _drop_first(self) -> None:
        _, dropped = self._pictures.popitem(last=False)
        self._bytes -= len(dropped.content)
