"""What all verbs share: the application, the options that several of them take, and how a command ends."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from ..errors import LithoError, chain, out_of_memory
from ..extras import missing

__all__ = ["AsJson", "BundlePath", "Device", "Name", "Repository", "VariantName", "app", "main"]

app = typer.Typer(
    name="litho",
    help="Take an image generator from a PyTorch checkpoint to a served endpoint, and prove every step.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, or cuda:1 for the second GPU.")]
Name = Annotated[
    str | None, typer.Option(help="Name of the model in the repository; by default the bundle's.")
]
VariantName = Annotated[
    str | None,
    typer.Option(
        "--variant", help="Which variant of the bundle; of several stages, names separated by commas."
    ),
]
Repository = Annotated[Path, typer.Argument(help="A Triton model repository.", show_default=False)]
BundlePath = Annotated[Path, typer.Argument(help="A bundle made by 'litho export'.", show_default=False)]

_TYPER_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt inside a command."""

_WHOLE = "nothing half-written is left, the same command starts or goes on again"
_INTERRUPTED = f"interrupted; {_WHOLE}"

_ROOM = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space of your quota",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
}
"""What to do about a disk that takes no more."""


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    debug = "--debug" in sys.argv[1:]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=[word for word in sys.argv[1:] if word != "--debug"], standalone_mode=False)
    except KeyboardInterrupt:
        code = _fail(_INTERRUPTED, 1, debug)
    except Exception as error:
        code = _fail(*_words(error), debug)
    if code == _TYPER_INTERRUPTED:
        code = _fail(_INTERRUPTED, 1, debug)
    _end(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if version:
        from .._version import __version__

        typer.echo(f"litho {__version__}")
        raise typer.Exit()


def _end(code: int) -> NoReturn:
    if os.environ.get("WORLD_SIZE", "1") not in ("", "1"):
        # One of several processes that a launcher started: the threads of their group may outlive the group, and abort
        # an interpreter that takes itself apart around them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _words(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    causes = list(chain(error))
    # Some libraries make errors of their own of it: an interrupted import is a failed one.
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return _INTERRUPTED, 1
    full = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno in _ROOM), None)
    if full is not None:
        return f"{_system_words(full)}: {_ROOM[full.errno or 0]}, or write elsewhere; {_WHOLE}", 1
    if out_of_memory(error):
        said = f" ({error})" if str(error) else ""
        return f"out of memory{said}: free some, or take a machine with more; {_WHOLE}", 1
    if isinstance(error, LithoError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return _system_words(error), 1
    # Usage errors of typer bring their message and code; anything else is a fault of ours.
    format_message: Any = getattr(error, "format_message", None)
    if format_message is not None:
        return f"{format_message()} See: litho --help", getattr(error, "exit_code", 2)
    if isinstance(error, ModuleNotFoundError) and (extra := missing(error)) is not None:
        return str(extra), extra.exit_code
    if isinstance(error, typer.Abort):
        return "aborted", 1
    return f"unexpected {type(error).__name__}: {error} (see it whole with --debug)", 1


def _system_words(error: OSError) -> str:
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    typer.echo(f"litho: error: {' '.join(message.split())}", err=True)
    return code
