"""What all verbs share: the application, the options that several of them take, and how a command ends."""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Callable
from copy import copy
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .. import interrupts
from ..errors import UsageError
from .help_pages import complete_help
from .messages import INTERRUPTED, explain
from .names import variants_of
from .output import log, log_to

__all__ = [
    "AsJson",
    "BundlePath",
    "DefaultVerb",
    "Device",
    "Name",
    "Repository",
    "RepositoryOrUrl",
    "Server",
    "VariantName",
    "Verbs",
    "app",
    "main",
    "variant_option",
    "verb",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, or cuda:1 for the second GPU.")]
Name = Annotated[
    str | None, typer.Option(help="Name of the model in the repository; by default the bundle's name.")
]


def variant_option(default: str) -> Any:
    """The option that names a variant; `default` says which one is taken without it."""
    return typer.Option(
        "--variant",
        help="Variant of the bundle by its name, or short: int8, int8.openvino; with several stages one of each,"
        f" separated by commas. By default {default}.",
        autocompletion=variants_of,
    )


VariantName = Annotated[
    str | None,
    variant_option("the recommended one if it gives the same picture and runs here, else the first such"),
]
Repository = Annotated[Path, typer.Argument(help="Folder of a Triton model repository.", show_default=False)]
RepositoryOrUrl = Annotated[
    str,
    typer.Argument(help="Folder of a Triton model repository, or s3://BUCKET/PREFIX.", show_default=False),
]
Server = Annotated[
    str | None,
    typer.Option(
        help="The server of the repository, grpc://HOST:PORT; by default the one that 'litho serve' runs for it.",
        show_default=False,
    ),
]
BundlePath = Annotated[
    Path, typer.Argument(help="Folder of a bundle, made by 'litho export'.", show_default=False)
]

_LONG = re.compile(r"\S{500,}")
"""A word that nobody reads, such as a number of thousands of digits; paths are shorter."""

_EMPTY = re.compile(r"--[a-z0-9-]+=")
"""An option with an empty value."""

_TYPER_INTERRUPTED = 130
"""Exit code that typer makes of a KeyboardInterrupt inside a command."""


class _Verb(TyperCommand):
    """A command whose help lists the names that an option takes, from the registries."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse empty words, which a shell makes of a variable that is not set; a prompt may be empty."""
        for before, word in pairwise(["", *args]):
            option = before if not word else word[:-1]
            if (not word or _EMPTY.fullmatch(word)) and option != "--prompt" and not ctx.resilient_parsing:
                name = option if option.startswith("-") else "an argument"
                raise UsageError(f"{name} was given as ''; expected a value (is a shell variable empty?)")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        complete_help(self, ctx)
        super().format_help(ctx, formatter)


class Verbs(TyperGroup):
    """A group of verbs, whose own help says of options what that of a verb says."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Its help, completed."""
        complete_help(self, ctx)
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="litho",
    cls=Verbs,
    help="Take an image generator from a PyTorch checkpoint to a served endpoint, and prove every step.",
    epilog="Start with 'litho demo'; 'litho VERB --help' explains a verb and shows an example.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class DefaultVerb(TyperGroup):
    """A group of verbs, one of which runs where none is named: its options are the group's too.

    Attributes:
        default: name of that verb, which no help lists.
    """

    default = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default verb in front of words that name none."""
        names_none = args[0] not in self.commands if args else not ctx.resilient_parsing
        if names_none and args[:1] not in [[option] for option in ctx.help_option_names]:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help of the default verb, and the list of the others."""
        verb = self.commands[self.default]
        shown = copy(self)
        shown.params, shown.help, shown.epilog = verb.params, verb.help, verb.epilog
        shown.subcommand_metavar = ""
        complete_help(shown, ctx)
        super(DefaultVerb, shown).format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Names of verbs, and what the default verb takes."""
        verb = self.commands[self.default]
        context = verb.make_context(self.default, [], parent=ctx, resilient_parsing=True)
        return [*super().shell_complete(ctx, incomplete), *verb.shell_complete(context, incomplete)]


def verb(
    panel: str | None,
    *examples: str,
    name: str | None = None,
    group: typer.Typer = app,
    hidden: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a verb.

    Args:
        panel: heading of the help under which it is listed.
        examples: of its use, for its own help.
        name: by default the function's.
        group: the application, or the group of verbs that it belongs to.
        hidden: leave it out of the list of verbs.
    """
    epilog = "\n\n".join(f"Example: {example}" for example in examples)
    return group.command(name, cls=_Verb, rich_help_panel=panel, epilog=epilog, hidden=hidden)


def main() -> None:
    """Run the command line; an error becomes one line and an exit code."""
    words = _global_options_first(sys.argv[1:])
    debug = "--debug" in words
    # gRPC's own log repeats what the error says, in lines of its own; who wants it sets the variable.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    command: Any = None
    try:
        interrupts.listen()
        try:
            command = typer.main.get_command(app)
            code = command.main(args=words, prog_name="litho", standalone_mode=False)
        finally:
            interrupts.end()
        # A library may have swallowed the interrupt shortly before the end.
        if code == _TYPER_INTERRUPTED or interrupts.noted():
            code = _fail(INTERRUPTED, 1, debug)
    except KeyboardInterrupt:
        code = _fail(INTERRUPTED, 1, debug)
    except Exception as error:
        said = (INTERRUPTED, 1) if interrupts.noted() else explain(error, command, words)
        code = _fail(*said, debug)
    _end(code if isinstance(code, int) else 0, interrupted=interrupts.noted())


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(help="Append progress and errors to this file, for work that nobody watches."),
    ] = None,
) -> None:
    if version:
        from .._version import __version__

        typer.echo(f"litho {__version__}")
        raise typer.Exit()
    if log_file is not None:
        log_to(log_file)


def _global_options_first(words: list[str]) -> list[str]:
    """The command line with --debug and --log-file in front of the verb, wherever they were given."""
    front, rest = [], []
    given = iter(words)
    for word in given:
        if word == "--log-file":
            front += [word, *[value for value in [next(given, None)] if value is not None]]
        elif word == "--debug" or word.startswith("--log-file="):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def _end(code: int, *, interrupted: bool) -> NoReturn:
    # An interrupt that left an exec of text, such as that of dataclasses, makes Python end itself by a signal at its
    # exit, even where the exception was caught. The next exec makes it forget that.
    exec("")  # noqa: S102 - nothing
    if interrupted:
        # Libraries that were cut short may crash an interpreter that is shutting down, Ray's for example.
        atexit._run_exitfuncs()
    if interrupted or os.environ.get("WORLD_SIZE", "1") not in ("", "1"):
        # In one of several processes of a launcher, threads of the process group may outlive the group and abort an
        # interpreter that is shutting down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    line = _LONG.sub(lambda word: f"{word[0][:60]}...{word[0][-20:]}", " ".join(message.split()))
    line = line.encode(
        errors="backslashreplace"
    ).decode()  # half a character, from a document or a file's name
    if line:  # nothing is left to say after the help of a command without a verb
        typer.echo(f"litho: error: {line}", err=True)
        log(f"error: {line}")
    return code
