"""Making a bundle from the shell: what is printed, what is refused, and what is left when it is cut short."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_export_inspect_verify_and_generate_work_from_the_shell(
    litho_command: Command, run: Path, tmp_path: Path
) -> None:
    done = litho_command("export", run, "--to", tmp_path / "bundle", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["verdict"]["status"] == "passed"
    assert "generator.fp32.onnx" in litho_command("inspect", tmp_path / "bundle").stdout
    verified = litho_command("verify", tmp_path / "bundle", "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)[0]["subject"] == "generator.fp32.onnx"
    made = litho_command(
        "generate", tmp_path / "bundle", "--seed", "7", "--label", "3", "-o", tmp_path / "7.png"
    )
    assert made.stdout.strip() == str(tmp_path / "7.png")


def test_the_help_of_export_lists_what_there_is(litho_command: Command) -> None:
    from litho.export.precisions import precision_names
    from litho.export.report.choice import AIMS
    from litho.runners.base import runtime_names

    text = litho_command("export", "--help").stdout
    for names in (runtime_names(), precision_names()):
        assert f": {', '.join(names)}." in text
    assert "|".join(AIMS) in text


def test_export_and_inspect_print_one_table_and_the_command_that_deploys_the_best(
    litho_command: Command, run: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32,bf16", "--aim", "size", "--without", "folding")
    done = litho_command("export", run, "--to", tmp_path / "bundle", *words)
    assert done.returncode == 0, done.stderr  # what this machine cannot run is no failure
    *table, path = done.stdout.splitlines()
    assert path == str(tmp_path / "bundle")
    assert table[0].split()[:3] == ["variant", "verdict", "size"]
    assert "recommended" in next(line for line in table if line.startswith("generator.fp32.onnx"))
    assert any(line.startswith("generator.bf16.onnx was not run: ONNX Runtime") for line in table)
    assert table[-1] == f"litho deploy {tmp_path / 'bundle'} --variant generator.fp32.onnx"
    assert "Recommended for size: generator.fp32.onnx" in table[-2]
    assert "\n".join(table) in litho_command("inspect", tmp_path / "bundle").stdout


def test_two_exports_without_timing_are_the_same_bytes(
    litho_command: Command, run: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32,int8", "--runtime", "onnxruntime,openvino", "--no-timing", "--json")
    manifests = []
    for folder in ("one", "two"):
        done = litho_command("export", run, "--to", tmp_path / folder / "tiny", *words)
        assert all(not variant["timings"] for variant in json.loads(done.stdout)), done.stderr
        manifests.append((tmp_path / folder / "tiny" / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]


def test_a_fixed_label_is_part_of_the_bundle_s_name(
    litho_command: Command, run: Path, tmp_path: Path
) -> None:
    done = litho_command("export", run, "--fix", "label=3", "--no-timing", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"bundles/{run.name}-label-3", done.stderr
    shown = litho_command("inspect", tmp_path / "bundles" / f"{run.name}-label-3").stdout
    assert not any(line.startswith("label") for line in shown.splitlines())


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ("free", "makes pictures of one size, 32x32; leave --size out"),
        ("32", "--size was given '32'; expected free, or HEIGHTxWIDTH in pixels, such as 96x128"),
        ("32xfree", "--size was given '32xfree'"),
    ],
)
def test_a_size_that_cannot_be_had_is_refused(
    litho_command: Command, run: Path, tmp_path: Path, size: str, complaint: str
) -> None:
    done = litho_command("export", run, "--size", size, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "litho", "export", str(run), "--to", str(tmp_path / "bundle")],
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = tmp_path / ".bundle.lock"
    while process.poll() is None and not lock.exists():
        os.sched_yield()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "litho: error: interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == [lock]
