"""Making a bundle from the shell: what is printed, what is refused, and what is left when it is cut short."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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

HOLD = """
import os, sys, time

def hold():
    open(os.environ["HELD"], "w").close()
    while True:
        time.sleep(0.01)

def look(event, arguments):
    global looking
    if looking and event == "open" and os.path.exists(os.environ["HOLD_AT"].format(os.getpid())):
        looking = False
        hold()

looking = "export" in sys.orig_argv
sys.addaudithook(look)
if os.environ["HOLD_AT"] == "engine" and any("engines.worker" in word for word in sys.orig_argv):
    hold()
"""
"""Python runs this at its start. A command that waits can be interrupted there, however busy the machine is."""


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
    assert all(aim in text for aim in AIMS)


def test_export_and_inspect_print_one_table_and_the_command_that_deploys_the_best(
    litho_here: Command, run: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32,bf16", "--aim", "size", "--without", "folding")
    done = litho_here("export", run, "--to", tmp_path / "bundle", *words)
    assert done.returncode == 0, done.stderr  # what this machine cannot run is no failure
    *table, path = done.stdout.splitlines()
    assert path == str(tmp_path / "bundle")
    assert table[0].split()[:3] == ["variant", "verdict", "promises"]
    assert "recommended" in next(line for line in table if line.startswith("generator.fp32.onnx"))
    assert any(line.startswith("generator.bf16.onnx was not run: ONNX Runtime") for line in table)
    assert table[-1] == f"litho deploy {tmp_path / 'bundle'} --variant generator.fp32.onnx"
    assert "Recommended for size: generator.fp32.onnx" in table[-2]
    assert "\n".join(table) in litho_here("inspect", tmp_path / "bundle").stdout


def test_two_exports_without_timing_are_the_same_bytes(
    litho_here: Command, litho_command: Command, run: Path, tmp_path: Path
) -> None:
    """By two processes: this one, which has done other things before, and a new one."""
    words = ("--precision", "fp32,int8", "--runtime", "onnxruntime,openvino", "--no-timing", "--json")
    manifests = []
    for call in (litho_here, litho_command):
        bundle = tmp_path / str(len(manifests)) / "tiny"
        done = call("export", run, "--to", bundle, *words)
        assert all(not variant["timings"] for variant in json.loads(done.stdout)), done.stderr
        manifests.append((bundle / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]


def test_a_fixed_label_is_part_of_the_bundle_s_name(litho_here: Command, run: Path, tmp_path: Path) -> None:
    done = litho_here("export", run, "--fix", "label=3", "--no-timing", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"bundles/{run.name}-label-3", done.stderr
    shown = litho_here("inspect", tmp_path / "bundles" / f"{run.name}-label-3").stdout
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
    litho_here: Command, run: Path, tmp_path: Path, size: str, complaint: str
) -> None:
    done = litho_here("export", run, "--size", size, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.fixture
def start_and_hold(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts an export and returns when it waits: where a file is there, or in the process that builds engines."""
    folder, groups = tmp_path / "python", list[int]()
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOLD)

    def start(where: str, *words: object) -> subprocess.Popen[str]:
        paths = [str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        held = {
            "HOLD_AT": where,
            "HELD": str(folder / "held"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        # A group of its own: a terminal's Ctrl-C reaches the process that builds engines as well.
        running = subprocess.Popen(
            [sys.executable, "-m", "litho", "export", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **held},
        )
        groups.append(running.pid)
        while running.poll() is None and not (folder / "held").exists():
            time.sleep(0.01)
        return running

    yield start
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, start_and_hold: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    lock = tmp_path / "bundles" / ".tiny.lock"
    process = start_and_hold(str(lock), run, "--to", tmp_path / "bundles" / "tiny")
    process.send_signal(number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "litho: error: interrupted" in the_line(errors)
    assert not lock.parent.exists()


@pytest.fixture
def earlier(bundle: Path, tmp_path: Path) -> Iterator[Path]:
    """A good bundle that must be after the test what it was before, with nothing left beside it."""
    path = tmp_path / "bundles" / "tiny"
    shutil.copytree(bundle, path)
    before = {file: sha256(file) for file in path.rglob("*") if file.is_file()}
    yield path
    assert {file: sha256(file) for file in path.rglob("*") if file.is_file()} == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["tiny"]


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
    said = the_line(done.stderr)
    assert (
        f"File too large: {earlier}: raise the limit on file size (ulimit -f), or write to another disk;"
        in said
    )


def test_without_memory_the_earlier_bundle_stays_as_it_was(earlier: Path, tmp_path: Path) -> None:
    (tmp_path / "hungry.py").write_text(HUNGRY)
    (tmp_path / "hungry.yaml").write_text(HUNGRY_SIGNATURE)
    words = ["export", "hungry:Hungry", "--signature", "hungry.yaml", "--to", earlier, "--replace"]
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
    run: Path, earlier: Path, start_and_hold: Callable[..., subprocess.Popen[str]], reached: str
) -> None:
    where = (
        str(earlier.parent / ".tiny.partial-new-{}" / "probes.safetensors")
        if reached == "probes"
        else "engine"
    )
    words = [run, "--to", earlier, *OTHERS, "--runtime", "tensorrt-rtx", "--target", "sm86"]
    running = start_and_hold(where, *words)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=240)
    assert running.returncode == 1
    assert "litho: error: interrupted" in the_line(errors)
    while processes_of(running.pid):  # what was only just started ends with its standard input
        time.sleep(0.01)


# As compiled modules do whose import was interrupted.
MADE_AN_ERROR = """
try:
    raise KeyboardInterrupt
except KeyboardInterrupt as error:
    raise ImportError('initialization failed') from error
"""
# The next one comes in an exec of text, after which Python would end by a signal.
SWALLOWED = """
import os, signal, time

def build():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    exec("while True: time.sleep(0.01)")
"""


@pytest.mark.parametrize("program", [MADE_AN_ERROR, SWALLOWED], ids=["made an error of", "swallowed"])
def test_an_interrupt_that_a_library_hides_is_still_one(tmp_path: Path, program: str) -> None:
    (tmp_path / "slow.py").write_text(program)
    (tmp_path / "slow.yaml").write_text(HUNGRY_SIGNATURE)
    words = ["export", "slow:build", "--signature", "slow.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "litho: error: interrupted" in the_line(done.stderr)
