"""What the commands of benchmarks share."""

import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.in_flight.run import main as in_flight
from litho.benchmarks.peers.run import main as peers
from litho.benchmarks.shared import command
from litho.benchmarks.shared.command import (
    check_results,
    errors_of,
    find_program,
    finish,
    show_progress,
    whole_numbers,
)
from litho.benchmarks.shared.machine import Machine, describe_machine
from litho.errors import LithoError, UsageError


@pytest.mark.parametrize(("error", "code"), [(LithoError, 1), (UsageError, 2)])
def test_an_error_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: type[LithoError], code: int
) -> None:
    with pytest.raises(typer.Exit) as ended, errors_of("growth"):
        raise error("there is no server; start one")
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == "growth: error: there is no server; start one\n"


def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, errors_of("growth", tmp_path):
        pytest.fail("the work began")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.startswith("growth: error: --output was given ")


def test_the_folder_of_results_is_checked_where_no_file_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "file" / "results")
    (tmp_path / "file").touch()
    check_results(tmp_path / "given.json")
    with pytest.raises(UsageError, match=r"/results', but .*/file is not a folder; give another"):
        check_results(None)
    for main, words in ((in_flight, ("bundles/shapes",)), (peers, ("runs/digits",))):
        app = typer.Typer()
        app.command()(main)
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code == 2
        assert "file is not a folder; give another" in refused.output


def test_a_package_that_is_not_installed_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), errors_of("growth"):
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    said = capsys.readouterr().err
    assert said.startswith("growth: error: 'onnxruntime' is not installed; get it with: pip install")
    with pytest.raises(ModuleNotFoundError), errors_of("growth"):
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")


@pytest.mark.parametrize("failed", [False, True])
def test_a_document_is_read_back_and_shown_whether_or_not_it_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failed: bool
) -> None:
    machine = describe_machine()
    with pytest.raises(typer.Exit) if failed else nullcontext() as ended:
        finish(tmp_path / "machine.json", machine, ["first", "second"], failed=failed)
    assert ended is None or ended.value.exit_code == 1
    assert Machine.model_validate_json((tmp_path / "machine.json").read_text()) == machine
    assert capsys.readouterr().out == "first\nsecond\n"


def test_progress_is_no_part_of_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    show_progress("measuring", 0.256)
    assert capsys.readouterr() == ("", "measuring 26%\n")


def test_numbers_are_separated_by_commas() -> None:
    assert whole_numbers("1, 8,32", "--batch") == [1, 8, 32]


@pytest.mark.parametrize("text", ["", "a", "1,", "0", "-1", "1.5", "²"])
def test_what_is_no_number_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--batch was given .* such as 1,8,32"):
        whole_numbers(text, "--batch")


TERMINATED = """
import signal
from litho.benchmarks.shared.command import errors_of

with errors_of("bench"):
    try:
        print("begun", flush=True)
        signal.pause()
    finally:
        print("ended what it had started")
"""


def test_sigterm_ends_a_command_and_what_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", TERMINATED], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "begun\n"
        command.terminate()
        assert command.stdout.read() == "ended what it had started\n"
    assert command.returncode == 128 + signal.SIGTERM


def test_a_program_that_is_absent_is_named_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("INSTRUMENT", raising=False)
    with pytest.raises(UsageError, match=r"^instrument was not found \(not on PATH\); install it$"):
        find_program("instrument", "INSTRUMENT", "install it")
    program = tmp_path / "instrument"
    program.write_text("")
    program.chmod(0o755)
    assert find_program("instrument", "INSTRUMENT", "install it") == str(program)
    monkeypatch.setenv("INSTRUMENT", "elsewhere")
    with pytest.raises(UsageError, match=r"not found \(elsewhere\)"):
        find_program("instrument", "INSTRUMENT", "install it")
    assert find_program("instrument", "INSTRUMENT", "install it", str(program)) == str(program)
