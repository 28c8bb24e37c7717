"""What a command shows while it works, and where: a bar on a terminal, lines in a log, nothing in a pipe."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.manifest import Figure, Verdict
from litho.cli.output import format_verdict, progress_bar, show_rows

from .conftest import Command


def on_a_terminal(words: list[str], columns: int = 80) -> str:
    """What a command shows on a terminal."""
    control, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "litho", *words], stdout=terminal, stderr=terminal, env=environment
    ) as running:
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = os.read(control, 4096)
            except OSError:  # the last process that had the terminal open has ended
                break
            if not part:
                break
            shown += part
    os.close(control)
    assert running.returncode == 0, shown.decode()
    return shown.decode()


@pytest.mark.slow
def test_an_export_shows_each_variant_on_a_terminal_and_logs_it(run: Path, tmp_path: Path) -> None:
    log = tmp_path / "export.log"
    words = ["export", str(run), "--to", str(tmp_path / "bundle"), "--precision", "fp32,bf16", "--no-timing"]
    shown = on_a_terminal([*words, "--log-file", str(log)])
    assert re.search(r"variant \d of 2: .*%", shown)
    lines = [line.partition("Z ")[2] for line in log.read_text().splitlines()]
    assert lines[0].startswith("litho export ")
    assert "  0% making the probes with PyTorch" in lines
    assert "  0% variant 1 of 2: proving generator.fp32.onnx" in lines
    assert " 50% variant 2 of 2: proving generator.bf16.onnx" in lines


def test_verify_logs_each_variant_and_shows_nothing_in_a_pipe(
    litho_here: Command, bundle: Path, tmp_path: Path
) -> None:
    done = litho_here("verify", bundle, "--log-file", tmp_path / "l.txt")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "  0% variant 1 of 1: replaying generator.fp32.onnx" in (tmp_path / "l.txt").read_text()


def test_a_long_step_is_logged_by_tenths(litho_here: Command, tmp_path: Path) -> None:
    litho_here("--log-file", tmp_path / "l.txt", "--version")
    litho_here("--log-file", tmp_path / "l.txt", "inspect", "absent")
    with progress_bar() as progress:
        for share in range(100):
            progress("timing", share / 100)
    lines = (tmp_path / "l.txt").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.endswith("timing")] == [
        f"{ten}0%" if ten else "0%" for ten in range(10)
    ]


def test_what_a_block_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar():
        print("said by a library")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "said by a library\n")


def test_a_narrow_terminal_breaks_cells_but_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "a-variant-whose-name-is-longer-than-its-column.onnx"
    show_rows(["variant", "images/s|right"], [[name, "7"]])
    assert name in capsys.readouterr().out


def test_a_cell_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(["figures"], [["pip install 'litho[gpu]'"]])
    assert "'litho[gpu]'" in capsys.readouterr().out


def test_a_narrow_terminal_shows_the_columns_that_fit_and_names_the_others(bundle: Path) -> None:
    variant = Bundle.load(bundle).manifest.variants[0].name
    wide, narrow = (on_a_terminal(["inspect", str(bundle)], columns) for columns in (120, 52))
    assert "A wider terminal" not in wide
    assert "A wider terminal also shows: SSIM" in narrow
    for shown in (wide, narrow):
        assert any(line.startswith(variant) and "passed" in line for line in shown.splitlines())


def test_figures_of_a_bank_without_limits_are_shown_and_do_not_count_as_passed() -> None:
    figures = (
        Figure(metric="PSNR min (dB)", value=50.0, at_least=40),
        Figure(metric="PSNR min (dB)", value=51.0, at_least=40, bank="seeds"),
        Figure(metric="PSNR min (dB)", value=14.3, bank="extremes"),
    )
    line = format_verdict(Verdict(status="passed", figures=figures))
    assert line == "PSNR min (dB) 50.0; extremes: PSNR min (dB) 14.3; also passed: seeds"
