"""What lies behind an error, as libraries make errors of their own of it; knows no other part of litho but errors."""

import errno
import re
from collections.abc import Iterator

from .errors import LithoError

__all__ = ["chain", "out_of_memory"]

# What the allocators of PyTorch, ONNX Runtime, OpenVINO, CUDA and C++ say in errors of no kind of their own.
_NO_MEMORY = re.compile(r"(can't|cannot|failed to|unable to) allocate|out of memory|bad.alloc", re.IGNORECASE)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, the one that it was raised from or while handling, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left, in whatever words a library says so."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno == errno.ENOMEM)
        # Our own words quote a library's, or guess; the library's own error is further down the chain.
        or (not isinstance(one, LithoError) and _NO_MEMORY.search(str(one)) is not None)
        for one in chain(error)
    )
