"""A whole export that is cut short from outside: the disk is full, the memory is, somebody presses Ctrl-C."""

import contextlib
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
SIGNATURE = """
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
    (tmp_path / "hungry.yaml").write_text(SIGNATURE)
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
    (tmp_path / "slow.yaml").write_text(SIGNATURE)
    words = ["export", "slow:build", "--signature", "slow.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "litho: error: interrupted" in the_line(done.stderr)
