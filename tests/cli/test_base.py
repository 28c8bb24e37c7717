"""The command line as a whole: help, version, JSON from every verb, and where it starts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import litho
from litho.cli import app

from .conftest import Command, Complaint


def verbs(command: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every verb as it is typed, and what typer made of it."""
    command = command or typer.main.get_command(app)
    for name, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from verbs(one, f"{path}{name} ")
        else:
            default = name == getattr(command, "default", None)
            yield path.strip() if default else f"{path}{name}", one


VERBS = dict(verbs())


def test_the_verbs_are_grouped_by_stage(litho_here: Command) -> None:
    shown = litho_here("--help").stdout
    panels = re.findall(r"─ ([A-Z][a-z ]+) ─", shown)
    stages = ["Train", "Export and prove", "Share", "Serve", "Use", "Provenance", "Measure"]
    assert panels == ["Options", "Start here", *stages]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_line_that_fits_80_columns(litho_here: Command, verb: str) -> None:
    line = VERBS[verb].help.partition("\n")[0]
    assert re.fullmatch(r"[A-Z].{10,61}\.", line), line


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_that_it_accepts(litho_here: Command, verb: str) -> None:
    done = litho_here(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"Example: litho {verb}" in done.stdout
    assert "{" not in done.stdout.replace("{" + "}", "").partition("─ Options")[2], "a placeholder was left"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("inspect", ""), "an argument was given as ''"),
        (("train", "gan-mnist", "--run", ""), "--run was given as ''"),
        (("train", "gan-mnist", "--run="), "--run was given as ''"),
    ],
)
def test_an_empty_word_is_refused_before_it_stands_for_this_folder(
    litho_here: Command, error_of: Complaint, words: tuple[str, ...], named: str
) -> None:
    assert named in error_of(litho_here(*words))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    for parameter in VERBS[verb].params:
        assert re.fullmatch(r"[^ ].{5,}\.", parameter.help or ""), parameter.name


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_gives_json(verb: str) -> None:
    assert "--json" in {option for parameter in VERBS[verb].params for option in parameter.opts}


def test_the_version_is_the_package_s(litho_here: Command) -> None:
    assert litho_here("--version").stdout == f"litho {litho.__version__}\n"


def test_the_command_line_starts_without_a_heavy_import() -> None:
    program = (
        "import sys, litho.cli; sys.exit(bool({'numpy', 'pydantic', 'rich', 'logging'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.slow
def test_debug_shows_the_traceback_wherever_it_is_given(litho_command: Command) -> None:
    assert "Traceback" in litho_command("--debug", "inspect", "absent").stderr
    assert "Traceback" in litho_command("inspect", "absent", "--debug").stderr


@pytest.mark.parametrize("words", ["--log-file l.txt inspect absent", "inspect absent --log-file=l.txt"])
def test_the_log_file_gets_command_and_error_wherever_it_is_given(
    litho_here: Command, tmp_path: Path, words: str
) -> None:
    assert litho_here(*words.split(), cwd=tmp_path).returncode == 2
    first, second = (tmp_path / "l.txt").read_text().splitlines()
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ litho {re.escape(words)}", first)
    assert "Z error: no bundle at 'absent'" in second


def test_a_log_file_that_cannot_be_written_is_one_line(
    litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    done = litho_here("inspect", "absent", "--log-file", tmp_path)
    assert "--log-file was given" in error_of(done)
    assert done.returncode == 2


def test_a_log_on_a_full_disk_ends_no_command(litho_here: Command, error_of: Complaint) -> None:
    done = litho_here("inspect", "absent", "--log-file", "/dev/full")
    said, error = done.stderr.splitlines()
    assert said == "note: nothing more is logged, /dev/full cannot be written: No space left on device"
    assert error == error_of(done)
    assert done.returncode == 2


@pytest.mark.slow
def test_a_command_works_in_every_locale_and_with_closed_streams(bundle: Path, tmp_path: Path) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "litho", "--help"]
    shown = subprocess.run(words, capture_output=True, env={**os.environ, **locale}, check=True).stdout
    assert "─ Train ─" in shown.decode()

    script = 'exec "$@" <&- >&- 2>&-'
    words = [sys.executable, "-m", "litho", "deploy", str(bundle), "--to", str(tmp_path / "models")]
    subprocess.run(["bash", "-c", script, "bash", *words], check=True)
    assert list((tmp_path / "models").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        "train cgan-digits --dry-run --json",
        "export {run} --to {folder}/bundle --json",
        "inspect {bundle} --json",
        "verify {bundle} --json",
        "deploy {bundle} --to {folder}/repository --json",
        "generate {bundle} --seed 0-3 --label 3 --output {folder}/threes.png --json",
        "bench {bundle} --batch 1 --seconds 0.5 --json",
    ],
)
def test_standard_output_is_one_json_document(
    litho_here: Command, run: Path, bundle: Path, tmp_path: Path, words: str
) -> None:
    done = litho_here(*words.format(run=run, bundle=bundle, folder=tmp_path).split())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.slow
def test_what_a_user_s_code_prints_is_no_part_of_the_json(litho_here: Command, tmp_path: Path) -> None:
    (tmp_path / "talkative.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, z):\n"
        "        return z.tanh().view(-1, 1, 2, 2)\n"
        "def build():\n"
        "    print('building')\n"
        "    return Net().eval()\n"
    )
    (tmp_path / "signature.yaml").write_text(
        "inputs:\n  - {role: seed, shape: [4]}\noutput: {height: 2, width: 2, channels: 1}\n"
    )
    words = ("export", "talkative.py:build", "--signature", "signature.yaml", "--no-timing", "--json")
    done = litho_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["verdict"]["status"] == "passed"
    assert "building" in done.stderr
    assert (tmp_path / "bundles" / "talkative" / "manifest.json").exists()


def test_a_group_with_a_default_verb_takes_its_options_and_its_help_is_the_verb_s(
    litho_here: Command, error_of: Complaint
) -> None:
    options = [
        re.findall(r"│ (--[a-z]+)", litho_here(*words.split(), "--help").stdout.partition("─ Options")[2])
        for words in ("bench", "bench run", "bench x")
    ]
    assert set(options[0]) >= {*options[1], "--concurrency"}
    assert options[1] == options[2]
    assert "'litho bench --help'" in error_of(litho_here("bench"))
    assert "did you mean '--seconds'" in error_of(litho_here("bench", "x", "--secnds", "3"))
    assert "'absent' is no bundle" in error_of(litho_here("bench", "run", "absent"))
