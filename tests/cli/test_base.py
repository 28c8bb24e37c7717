"""The command line as a person meets it: help, one-line errors and exit codes."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import litho
from litho.cli import app

Command = Callable[..., subprocess.CompletedProcess[str]]
Complaint = Callable[[subprocess.CompletedProcess[str]], str]

COMMANDS = sorted(
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
)


@pytest.mark.parametrize("command", [*COMMANDS, "server install"])
def test_every_command_has_help_with_an_example(litho_command: Command, command: str) -> None:
    done = litho_command(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: litho {command}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is_for(litho_command: Command, command: str) -> None:
    lines = [
        line for line in litho_command(command, "--help").stdout.splitlines() if re.search(r"│ \*? *-", line)
    ]
    for line in lines:
        assert re.search(r"<[^>]+>\s+[A-Z0-9]\S*", line), line


def test_the_version_is_the_package_s(litho_command: Command) -> None:
    assert litho_command("--version").stdout == f"litho {litho.__version__}\n"


def test_help_needs_no_heavy_import() -> None:
    program = "import sys, litho.cli; sys.exit(bool({'numpy', 'pydantic', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ("veify x", 2, "No such command 'veify'. Did you mean 'verify'"),
        ("train cgan-digit", 2, "unknown preset 'cgan-digit'; did you mean 'cgan-digits'"),
        ("train cgan-digits --set lerning_rate=1", 2, "unknown recipe key 'lerning_rate'"),
        ("train cgan-digits --set lr", 2, "--set was given 'lr'; it takes NAME=VALUE"),
        ("export absent", 1, "no snapshot at absent"),
        ("export absent --without foldng", 2, "unknown pass 'foldng'; did you mean 'folding'"),
        ("export absent --precision fp31", 2, "unknown precision 'fp31'; did you mean 'fp32'"),
        ("export absent --aim speed", 2, "'speed' is not one of 'latency', 'throughput', 'size'"),
        ("export absent --fix label", 2, "--fix was given 'label'; it takes NAME=VALUE"),
        ("export absent --fix label=three", 2, "--fix was given label=three; it takes a whole number"),
        ("export absent_net:build", 2, "'absent_net:build' is no run"),
        ("export absent_net:build --signature absent.yaml", 2, "signature absent.yaml cannot be read"),
        ("export absent --weights w.safetensors", 2, "--weights goes with --signature"),
        ("inspect absent", 1, "no bundle at absent"),
        ("verify absent", 1, "no bundle at absent"),
        ("deploy absent", 1, "no bundle at absent"),
        ("build-engine absent", 1, "no bundle at absent"),
        ("build-engine absent --profile 1,8", 2, "--profile was given '1,8'"),
        ("generate absent --seed 1 -o x.png", 2, "'absent' is no bundle, run or endpoint"),
        (
            "generate http://127.0.0.1:1/x --seed 1 -o x.png",
            2,
            "invalid endpoint 'http://127.0.0.1:1/x'; expected grpc://HOST:PORT/MODEL",
        ),
        ("generate grpc://127.0.0.1:9/x --seed 1 -o x.png", 1, "127.0.0.1:9"),
        ("bench absent --batch 1,-8", 2, "--batch was given '1,-8'"),
        ("rollback absent digits", 1, "absent"),
        ("serve absent", 1, "absent"),
    ],
)
def test_wrong_commands_are_answered_in_one_line(
    litho_command: Command, error_of: Complaint, words: str, code: int, complaint: str, tmp_path: Path
) -> None:
    done = litho_command(*words.split(), cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(litho_command: Command) -> None:
    assert "Traceback" in litho_command("--debug", "inspect", "absent").stderr
