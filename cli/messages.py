"""One line for every error that ends a command, and the exit code; knows no verb."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from ..errors import LithoError, UnknownName, chain, did_you_mean, out_of_memory
from ..extras import missing
from ..interrupts import AGAIN, INTERRUPTED

__all__ = ["INTERRUPTED", "explain"]


_DISK_REMEDIES = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free space of your disk quota",
    errno.EFBIG: "raise the limit on file size (ulimit -f)",
}
"""Error number of a disk that takes no more data -> what to do."""

_TEMPORARY = re.compile(r"\.([^/]+)\.partial-\w+-\d+")
"""Name under which a file is written before it replaces the one that was asked for."""

_KINDS = {int: "a whole number", float: "a number", Path: "a path without zero bytes"}


def explain(error: Exception, command: Any, words: Sequence[str]) -> tuple[str, int]:
    """What to say about an error, and the exit code.

    Args:
        error: that ended the command.
        command: the application, as typer builds it.
        words: of the command line.
    """
    causes = list(chain(error))
    # Some libraries turn an interrupt into an error of their own, such as a failed import.
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return INTERRUPTED, 1
    full = next(
        (cause for cause in causes if isinstance(cause, OSError) and cause.errno in _DISK_REMEDIES), None
    )
    if full is not None:
        remedy = _DISK_REMEDIES[full.errno or 0]
        return f"{_of_system(full)}: {remedy}, or write to another disk; {AGAIN}", 1
    if out_of_memory(error):
        said = f" ({error})" if str(error) else ""
        return f"out of memory{said}: free some, or use a machine with more; {AGAIN}", 1
    if isinstance(error, LithoError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return _of_system(error), 2 if error.errno == errno.ENAMETOOLONG else 1
    # Usage errors of typer have a message and a code of their own; anything else is a fault of litho.
    if hasattr(error, "format_message"):
        return _of_usage(error, command, words), getattr(error, "exit_code", 2)
    if isinstance(error, ModuleNotFoundError) and (extra := missing(error)) is not None:
        return str(extra), extra.exit_code
    if isinstance(error, typer.Abort):
        return "aborted", 1
    return f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)", 1


def _of_system(error: OSError) -> str:
    name = _TEMPORARY.sub(r"\1", str(error.filename or ""))
    if error.errno == errno.ENAMETOOLONG:
        return f"{name!r} is too long for a path; give a shorter one"
    return f"{error.strerror or error}{f': {name}' if name else ''}"


def _of_usage(error: Any, command: Any, words: Sequence[str]) -> str:
    """A usage error of typer in our words, with the verb whose --help says what is allowed.

    Errors are recognised by their names and attributes: typer brings its own click in some versions.
    """
    if type(error).__name__ == "NoArgsIsHelpError":
        return ""  # the help was printed
    path = ["litho"]
    for word in words:
        if word in getattr(command, "commands", ()):
            path.append(word)
            command = command.commands[word]
    if hasattr(command, "default"):  # no verb of the group was named
        command = command.commands[command.default]
    message = error.format_message().rstrip(".")
    if match := re.match(r"No such command '(.*?)'", message):
        message = f"unknown command {match[1]!r}{did_you_mean(match[1], command.commands)}"
    elif message.startswith("No such option"):
        known = [name for parameter in command.params for name in parameter.opts]
        hint = did_you_mean(error.option_name, known)
        if not hint and "--field" in known:
            hint = f"; another input is given as --field {error.option_name.lstrip('-')}=VALUE"
        message = f"unknown option {error.option_name!r}{hint}"
    elif match := re.match(r"Got unexpected extra argument\S* \((.*)\)", message, re.DOTALL):
        message = f"unexpected argument {match[1]!r}"
    elif getattr(error, "param", None) is not None and hasattr(error.__cause__, "errors"):
        message = _of_value(error)
    message = f"{message[0].lower()}{message[1:]}"
    return f"{message}{' See' if message.endswith('?') else '; see'} '{' '.join(path)} --help'"


def _of_value(error: Any) -> str:
    """A value that typer could not read: its own words are those of pydantic."""
    given = error.__cause__.errors()[0]["input"]
    parameter = error.param
    kind = parameter.type_descriptor
    if kind.choices:
        return str(UnknownName(parameter.opts[0], str(given), map(str, kind.choices)))
    limits = f" from {parameter.min}" if parameter.min is not None else ""
    limits += f" to {parameter.max}" if parameter.max is not None else ""
    return f"invalid {parameter.opts[0]} {given!r}; expected {_KINDS.get(kind.annotation, 'a value')}{limits}"
