"""Making a bundle from the shell: what is printed, what is refused, and what is left when it is cut short."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from litho.files import sha256

from .conftest import Command

pytestmark = pytest.mark.slow

PROGRAM = "from litho.cli import main; main()"

# Not the earlier bundle's request, which would be kept as it is.
OTHERS = ("--precision", "fp32,int8", "--no-timing")

HUNGRY = """
from torch import nn

class Hungry(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3 * 16 * 16)

    def forward(self, z):
        # 16 MiB a picture: a few pass, those of all probes at once do not.
        wide = self.layer(z)[:, :, None].expand(-1, -1, 5462).contiguous()
        return wide.mean(2).tanh().reshape(-1, 3, 16, 16)
"""

HUNGRY_SIGNATURE = """
inputs:
  - {role: seed, shape: [4]}
output: {height: 16, width: 16, channels: 3}
"""
LITTLE_MEMORY = f"""
import resource
import torch, onnxscript, onnxruntime, litho.export.build
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20),) * 2)
{PROGRAM}
"""
"""The command with 512 MiB beyond what its libraries take."""


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
    assert table[0].split()[:3] == ["variant", "verdict", "promises"]
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


@pytest.fixture
def earlier(bundle: Path, tmp_path: Path) -> Iterator[Path]:
    """A good bundle that must be after the test what it was before, with nothing left beside it but the lock."""
    path = tmp_path / "bundles" / "tiny"
    shutil.copytree(bundle, path)
    before = {file: sha256(file) for file in path.rglob("*") if file.is_file()}
    yield path
    assert {file: sha256(file) for file in path.rglob("*") if file.is_file()} == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".tiny.lock", "tiny"]


def the_line(errors: str) -> str:
    (line,) = errors.splitlines()
    assert line.startswith("litho: error: ")
    assert line.endswith("no partial file is left; run the same command again")
    return line


def processes_of(group: int) -> list[str]:
    """The commands of a process group that run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, number, *_ = (process / "stat").read_text().rpartition(") ")[2].split()
            if int(number) == group and state != "Z":
                found.append((process / "cmdline").read_text())
    return found


@pytest.mark.parametrize("most_bytes", [50_000, 200_000], ids=["probes", "graph"])
def test_a_full_disk_leaves_the_earlier_bundle_as_it_was(run: Path, earlier: Path, most_bytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "export", run, "--to", earlier, *OTHERS],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )
    assert done.returncode == 1
    assert "File too large: raise the limit on file size (ulimit -f), or write to another disk;" in the_line(
        done.stderr
    )


def test_without_memory_the_earlier_bundle_stays_as_it_was(earlier: Path, tmp_path: Path) -> None:
    (tmp_path / "hungry.py").write_text(HUNGRY)
    (tmp_path / "hungry.yaml").write_text(HUNGRY_SIGNATURE)
    words = ["export", "hungry:Hungry", "--signature", "hungry.yaml", "--to", earlier]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # Every thread more has a stack of its own.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1
    assert "litho: error: out of memory (PyTorch" in the_line(done.stderr)


@pytest.mark.parametrize("reached", ["probes", "engine"])
def test_ctrl_c_leaves_the_earlier_bundle_as_it_was_and_no_process(
    run: Path, earlier: Path, reached: str
) -> None:
    words = ["export", run, "--to", earlier, *OTHERS, "--runtime", "tensorrt-rtx", "--target", "sm86"]
    # A group of its own: a terminal's Ctrl-C reaches the process that builds engines as well.
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    probes = earlier.parent / f".tiny.partial-new-{running.pid}" / "probes.safetensors"
    while running.poll() is None and not (
        probes.exists()
        if reached == "probes"
        else any("engines.worker" in command for command in processes_of(running.pid))
    ):
        os.sched_yield()
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "litho: error: interrupted" in the_line(errors)
    while processes_of(running.pid):  # what was only just started ends with its standard input
        os.sched_yield()


def test_an_interrupt_that_a_library_made_an_error_of_is_still_one(tmp_path: Path) -> None:
    # As compiled modules do whose import was interrupted.
    (tmp_path / "slow.py").write_text(
        "try:\n    raise KeyboardInterrupt\n"
        "except KeyboardInterrupt as error:\n    raise ImportError('initialization failed') from error\n"
    )
    (tmp_path / "slow.yaml").write_text(HUNGRY_SIGNATURE)
    words = ["export", "slow:build", "--signature", "slow.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "litho: error: interrupted" in the_line(done.stderr)
