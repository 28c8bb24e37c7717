"""Every error that litho raises on purpose, in one place; this module knows no other part of litho.

A message is one line and says what was given, what is allowed and how to fix it. The command line prints it
and leaves with `exit_code`; a traceback is shown only with `--debug`.

    LithoError                    exit code 1: the work was tried and failed
    ├── UsageError                exit code 2: what was asked for cannot be asked for (also a ValueError)
    │   ├── UnknownName           a preset, family, runner, field or variant that does not exist
    │   ├── InvalidInput          an input of a generator: name, dtype, shape or range
    │   └── MissingExtra          an optional dependency is not installed
    ├── DataError                 what is trained on cannot be used as it lies on disk
    ├── TrainingError             training cannot go on (divergence, a resume with another recipe)
    ├── EvaluationError           a figure could not be computed, or would mean nothing
    ├── CheckpointError           a snapshot or checkpoint that is truncated, foreign or does not fit
    ├── BundleError               a bundle or deployment that cannot be used as it lies on disk
    │   ├── IntegrityError        a file is missing, changed, or not an ordinary file inside its bundle
    │   └── SchemaError           a document of a newer schema, or one that is not a document of ours
    ├── ExportError               a graph or engine could not be made
    ├── DeviceError               the GPU or driver that this needs is not here, or is another than it was made for
    ├── ProofError                a replay of the probes did not give the pictures it must give
    ├── DeployError               a model repository could not be written; the old version still serves
    └── ServerError               a Triton server
        ├── ServerStartError      it did not become ready
        └── EndpointError         it cannot be reached, went away, or refused a request
"""

import errno
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

__all__ = [
    "BundleError",
    "CheckpointError",
    "DataError",
    "DeployError",
    "DeviceError",
    "EndpointError",
    "EvaluationError",
    "ExportError",
    "IntegrityError",
    "InvalidInput",
    "LithoError",
    "MissingExtra",
    "ProofError",
    "SchemaError",
    "ServerError",
    "ServerStartError",
    "TrainingError",
    "UnknownName",
    "UsageError",
    "chain",
    "out_of_memory",
]


class LithoError(Exception):
    """Base of all errors of litho; `str(error)` is one line for a person.

    >>> try:
    ...     open_model("http://127.0.0.1:8000/digits")
    ... except LithoError as error:
    ...     print(error)
    invalid endpoint 'http://127.0.0.1:8000/digits'; expected grpc://HOST:PORT/MODEL
    """

    exit_code = 1


class UsageError(LithoError, ValueError):
    """What was asked for cannot be asked for; the caller has to change the request."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not among the known ones.

    Args:
        kind: what the name should have named, for example "preset".
        given: the name that was given.
        known: every name that would have been accepted.
    """

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(given, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {kind} {given!r}{hint} (known: {', '.join(names) or 'none'})")
        self.kind, self.given, self.known = kind, given, tuple(names)


class InvalidInput(UsageError):
    """An input of a generator has a wrong name, dtype, shape or range."""


class MissingExtra(UsageError):
    """An optional dependency is not installed.

    Args:
        package: the import name that was missing.
        extra: the extra of litho that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package!r} is not installed; get it with: pip install 'litho[{extra}]'")
        self.package, self.extra = package, extra


class DataError(LithoError):
    """What is trained on cannot be used as it lies on disk: the message names the file and the rule."""


class TrainingError(LithoError):
    """Training cannot go on."""


class EvaluationError(LithoError):
    """A figure could not be computed, or would mean nothing."""


class CheckpointError(LithoError):
    """A snapshot or checkpoint is truncated, foreign or does not fit its description."""


class BundleError(LithoError):
    """A bundle or deployment cannot be used as it lies on disk."""


class IntegrityError(BundleError):
    """A file is missing, has changed, or is not an ordinary file inside its bundle."""


class SchemaError(BundleError):
    """A document has a newer schema than this litho reads, or is not a document of litho."""


class ExportError(LithoError):
    """A graph or an engine could not be made."""


class DeviceError(LithoError):
    """The GPU or the driver that is needed is not here, or is another than an engine was built for."""


class ProofError(LithoError):
    """A replay of the probes did not give the pictures that it must give."""


class DeployError(LithoError):
    """A model repository could not be written; what was deployed before still serves."""


class ServerError(LithoError):
    """A Triton server failed."""


class ServerStartError(ServerError):
    """A Triton server did not become ready."""


class EndpointError(ServerError):
    """An endpoint cannot be reached, went away, or refused a request."""


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
