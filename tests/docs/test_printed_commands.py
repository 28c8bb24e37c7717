"""Every command that a report or a message prints is one that the command line takes."""

import html
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import litho
from litho.bundle import Bundle
from litho.cli import app
from litho.export.report.table import decide

ROOT = Path(litho.__file__).parent


def parse(command: str) -> None:
    """Parse as the command line would, and run nothing."""
    name, *words = shlex.split(command)
    assert name == "litho"
    parser: Any = typer.main.get_command(app)
    while hasattr(parser, "commands") and words and words[0] in parser.commands:
        parser, words = parser.commands[words[0]], words[1:]
    if words:
        parser.make_context(command, words)
    else:
        assert not hasattr(parser, "commands") or hasattr(parser, "default") or command == "litho", command


def in_messages() -> set[str]:
    """Commands in quotes or behind a colon in the strings of the product."""
    found: set[str] = set()
    for file in ROOT.rglob("*.py"):
        if "tests" not in file.parts and ".venv" not in file.parts:
            text = re.sub(r'"\n\s+f?"', "", file.read_text(encoding="utf-8"))
            found |= set(re.findall(r"'(litho [a-z-]+[^'\n]*?)'", text))
            found |= set(re.findall(r": (litho [a-z-]+ [^\"'\n]*?)\"", text))
    return {command for command in found if "VERB" not in command}


@pytest.mark.parametrize("command", sorted(in_messages()))
def test_commands_in_messages_parse(command: str) -> None:
    words = re.sub(r"\{[^}]*\}", "x", command.replace("{own}", "--signature signature.yaml"))
    try:
        parse(words.replace("--help", ""))
    except Exception as error:
        # A message may name a verb alone: "make one with 'litho export'".
        if type(error).__name__ != "MissingParameter":
            raise


def test_there_are_commands_in_messages() -> None:
    assert {"litho export", "litho train", "litho deploy", "litho server install"} <= in_messages()


def test_the_command_of_a_report_parses_wherever_the_bundle_lies(bundle: Path) -> None:
    manifest = Bundle.load(bundle).manifest
    recommended = manifest.model_copy(update={"recommended": (manifest.variants[0].name,), "aim": "size"})
    for path in ("bundles/tiny", "my bundles/it's"):
        command = decide(path, recommended).command
        assert shlex.split(command)[2] == path
        parse(command)


def test_commands_of_a_bundle_s_page_parse(bundle: Path) -> None:
    page = (bundle / "report.html").read_text(encoding="utf-8")
    for command in re.findall(r"<code>(litho .*?)</code>", page):
        parse(html.unescape(command))
