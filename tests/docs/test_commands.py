"""Every command in the documentation is one that the command line takes: verbs, options and allowed values."""

import importlib.util
import re
import shlex
from functools import cache
from typing import Any

import typer
import typer.main

from litho.cli import app
from litho.training.presets import resolve

from .conftest import ROOT, Page

# Options that act while they are parsed: they print, or change the files of the user's shell.
_ACT_AT_ONCE = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
_END = {"|", "||", "&&", ";", ">", "&"}
_TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def words(line: str) -> list[str]:
    """A shell line's words up to a comment or to the next command."""
    try:
        found = shlex.split(line, comments=True)
    except ValueError:  # prose with an apostrophe
        return []
    end = next((index for index, word in enumerate(found) if word in _END), len(found))
    return found[:end]


def lines(page: Page) -> list[str]:
    blocks = (content for language, content in page.blocks if language in ("", "sh"))
    return [line for content in blocks for line in content.replace("\\\n", " ").splitlines()]


@cache
def command_line() -> Any:
    """All verbs with their options, which take longer to make than a line to parse."""
    return typer.main.get_command(app)


def parse(arguments: list[str]) -> typer.Context:
    """Parse as the command line would, and run nothing."""
    assert not set(arguments) & _ACT_AT_ONCE
    command = command_line()
    context = command.make_context("litho", list(arguments))
    while hasattr(context.command, "resolve_command") and (context._protected_args or context.args):
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, rest, parent=context)
    return context


def arguments(line: str) -> list[str] | None:
    """What a line gives to litho, by itself or through a launcher; None where it starts something else."""
    given = words(line)
    launched = given[:1] == ["litho"] or "-m" in given[: given.index("litho")] if "litho" in given else False
    return [word for word in given[given.index("litho") + 1 :] if word != "--debug"] if launched else None


def test_every_command_of_a_block_parses(page: Page) -> None:
    for line in lines(page):
        given = arguments(line)
        if given is not None and not set(given) & _ACT_AT_ONCE:
            context = parse(given)
            if context.info_name == "train" and not context.params["preset"].isupper():
                check_recipe(context.params)


def check_recipe(parameters: dict[str, Any]) -> None:
    overrides = dict(item.split("=", 1) for item in parameters["set_"] or ())
    resolve(parameters["preset"], budget="cpu", data=parameters["data"], overrides=overrides)


def test_every_command_in_a_sentence_parses(page: Page) -> None:
    for code in page.inline_code:
        given = words(code)
        if given[:1] == ["litho"] and given[1:] and not set(given) & _ACT_AT_ONCE:
            try:
                parse(given[1:])
            except Exception as error:
                # A sentence may name a verb or an option without the rest of the command.
                unfinished = type(error).__name__ in ("MissingParameter", "BadOptionUsage")
                if not unfinished:
                    raise


def test_every_make_target_exists(page: Page) -> None:
    texts = [*page.inline_code, *lines(page)]
    named = {given[1] for given in map(words, texts) if len(given) > 1 and given[0] == "make"}
    assert named <= _TARGETS


def test_every_module_that_is_run_exists(page: Page) -> None:
    for name in re.findall(r"python -m (litho[\w.]*)", page.text):
        assert importlib.util.find_spec(name), f"{page.name} runs {name}"
