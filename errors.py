"""Every error that litho raises on purpose; this module imports no other part of litho.

A message is one line: what was given, what is allowed, how to fix it. The command line prints it and exits with
`exit_code`; `--debug` adds the traceback.

    LithoError                    exit code 1: the work was tried and failed
    ├── UsageError                exit code 2: the request cannot be met and has to change (also a ValueError)
    │   ├── UnknownName           no preset, family, runner, field or variant has this name
    │   ├── InvalidInput          an input of a generator has a wrong name, dtype, shape or range
    │   └── MissingExtra          an optional dependency is not installed
    ├── DataError                 a dataset on disk cannot be used
    ├── TrainingError             training cannot continue (divergence, a resume with another recipe)
    ├── EvaluationError           a figure could not be computed, or would be meaningless
    ├── CheckpointError           a snapshot or checkpoint is truncated, foreign, or does not fit the model
    ├── BundleError               a bundle or deployment on disk cannot be used
    │   ├── IntegrityError        a file is missing, changed, or not an ordinary file inside its bundle
    │   ├── SchemaError           a document has a newer schema, or was not written by litho
    │   └── TrustError            a bundle is not signed, or not with the key that is trusted
    ├── ExportError               a graph or engine could not be made
    ├── RuntimeCrash              the process of a runtime crashed, or did not answer
    ├── DeviceError               the GPU or driver is missing, or is not the one an engine was built for
    ├── ProofError                a replay of the probes did not give the expected images
    ├── DeployError               a model repository could not be written; the old version still serves
    ├── StorageError              object storage cannot be reached, read or written
    ├── ClusterError              a Ray cluster cannot be reached or was lost, or a node lacks what work needs
    ├── RegistryError             a registry cannot be reached, refuses, or holds no whole bundle or run
    ├── AuditError                an audit log was changed by something else, or cannot be written
    ├── CertificateError          a certificate that signs is past its end, or not valid yet
    └── ServerError               a Triton server failed
        ├── ServerStartError      it did not become ready
        └── EndpointError         it cannot be reached, went away, or refused a request
            ├── EndpointBusy          its queue is full, or a request waited in it for too long
            ├── EndpointUnavailable   it cannot serve the model at the moment; another try is safe
            └── DeadlineExceeded      it did not answer in time
"""

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

__all__ = [
    "AuditError",
    "BundleError",
    "CertificateError",
    "CheckpointError",
    "ClusterError",
    "DataError",
    "DeadlineExceeded",
    "DeployError",
    "DeviceError",
    "EndpointBusy",
    "EndpointError",
    "EndpointUnavailable",
    "EvaluationError",
    "ExportError",
    "IntegrityError",
    "InvalidInput",
    "LithoError",
    "MissingExtra",
    "ProofError",
    "RegistryError",
    "RuntimeCrash",
    "SchemaError",
    "ServerError",
    "ServerStartError",
    "StorageError",
    "TrainingError",
    "TrustError",
    "UnknownName",
    "UsageError",
    "chain",
    "did_you_mean",
    "expected",
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
    """The request cannot be met; the caller has to change it."""

    exit_code = 2


class UnknownName(UsageError):
    """A name is not among the known ones; the message suggests the closest.

    Args:
        kind: what the name stands for, for example "preset".
        given: the unknown name.
        known: all known names.
        else_: what may be given instead of a known name, for example "the path of a folder".
    """

    def __init__(self, kind: str, given: str, known: Iterable[str], *, else_: str = "") -> None:
        names = sorted(known)
        hint = did_you_mean(given, names)
        alternative = f"; or give {else_}" if else_ else ""
        super().__init__(f"unknown {kind} {given!r}{hint} (known: {', '.join(names) or 'none'}){alternative}")
        self.kind, self.given, self.known = kind, given, tuple(names)


class InvalidInput(UsageError):
    """An input of a generator has a wrong name, dtype, shape or range.

    Args:
        message: one line.
        missing: name of the input, if it has to be given and was not.
    """

    def __init__(self, message: str, *, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing


class MissingExtra(UsageError):
    """An optional dependency is not installed.

    Args:
        package: import name of the missing package.
        extra: extra of litho that installs it.
        found: what is there instead, as a clause; by default that it is not installed.
    """

    def __init__(self, package: str, extra: str, found: str = "") -> None:
        found = found or f"{package!r} is not installed"
        super().__init__(f"{found}; get it with: pip install 'litho[{extra}]'")
        self.package, self.extra = package, extra


class DataError(LithoError):
    """A dataset on disk cannot be used; the message names the file and the rule."""


class TrainingError(LithoError):
    """Training cannot continue."""


class EvaluationError(LithoError):
    """A figure could not be computed, or would be meaningless."""


class CheckpointError(LithoError):
    """A snapshot or checkpoint is truncated, foreign, or does not fit the model."""


class BundleError(LithoError):
    """A bundle or deployment on disk cannot be used."""


class IntegrityError(BundleError):
    """A file is missing, has changed, or is not an ordinary file inside its bundle."""


class SchemaError(BundleError):
    """A document has a newer schema than this version of litho reads, or was not written by litho."""


class TrustError(BundleError):
    """A bundle is not signed, or not with the key that is trusted."""


class ExportError(LithoError):
    """A graph or an engine could not be made."""


class RuntimeCrash(LithoError):
    """The process in which a runtime opened or ran a graph crashed, or did not answer.

    Args:
        message: one line.
        hung: whether it was stopped because it did not answer.
    """

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class DeviceError(LithoError):
    """The GPU or driver is missing, or is not the one that an engine was built for."""


class ProofError(LithoError):
    """A replay of the probes did not give the expected images."""


class DeployError(LithoError):
    """A model repository could not be written; the version deployed before still serves."""


class StorageError(LithoError):
    """Object storage cannot be reached, read or written; what was complete there stays."""


class ClusterError(LithoError):
    """A Ray cluster cannot be reached or was lost, or one of its nodes lacks what the work needs."""


class RegistryError(LithoError):
    """A registry cannot be reached, refuses, or holds no whole bundle or run; asking again continues the work."""


class AuditError(LithoError):
    """An audit log was changed by something else, or cannot be written."""


class CertificateError(LithoError):
    """A certificate that signs is past its end, or not valid yet."""


class ServerError(LithoError):
    """A Triton server failed."""


class ServerStartError(ServerError):
    """A Triton server did not become ready."""


class EndpointError(ServerError):
    """An endpoint cannot be reached, went away, or refused a request."""


class EndpointBusy(EndpointError):
    """The queue of an endpoint is full, or a request waited in it for longer than it may."""


class EndpointUnavailable(EndpointError):
    """An endpoint cannot serve the model at the moment.

    It cannot be reached, is shutting down, loads the model, or lost the process that runs it. A picture depends on
    its inputs alone, so that asking again is always safe.
    """


class DeadlineExceeded(EndpointError):
    """An endpoint did not answer in time."""


# What the allocators of PyTorch, ONNX Runtime, OpenVINO, CUDA and C++ say, in errors without a type of their own.
_NO_MEMORY = re.compile(r"(can't|cannot|failed to|unable to) allocate|out of memory|bad.alloc", re.IGNORECASE)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint at the known name that is closest to an unknown one; empty when none is close."""
    close = get_close_matches(given, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


_EXPECTED = {
    "missing": "this key is missing",
    "extra_forbidden": "there is no such key",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "tuple_type": "expected a list in square brackets",
    "list_type": "expected a list",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
}
"""Type of a detail of pydantic -> what it means to somebody who wrote the value."""


def expected(detail: Mapping[str, Any]) -> str:
    """What a value had to be, in words of litho.

    Args:
        detail: one of those that a `ValidationError` of pydantic lists.
    """
    if words := _EXPECTED.get(detail["type"]):
        limits = detail.get("ctx", {}).items()
        return words.format(
            **{name: f"{limit:.15g}" if isinstance(limit, float) else limit for name, limit in limits}
        )
    message = detail["msg"].removeprefix("Value error, ")
    return re.sub("^Input should (be )?", "expected ", message)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then the one that caused it or was being handled, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one behind it, means that memory ran out, whatever library reports it."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno == errno.ENOMEM)
        # Messages of litho quote a library or guess; the library's own error is further down the chain.
        or (not isinstance(one, LithoError) and _NO_MEMORY.search(str(one)) is not None)
        for one in chain(error)
    )
