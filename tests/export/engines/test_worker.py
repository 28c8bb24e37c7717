"""The process that builds an engine: it ends with whoever started it, and its death is one line."""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from litho.errors import ExportError
from litho.export.engines import build_engine

from .conftest import SIGNATURE, graph

pytestmark = pytest.mark.slow


def test_a_build_that_is_stopped_leaves_no_process() -> None:
    def stop(phase: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(graph("fp32"), SIGNATURE, "sm86", progress=stop)
    assert not _children()


def test_a_builder_that_dies_is_said_in_one_line() -> None:
    def kill(phase: str, share: float) -> None:
        for child in _children():
            os.kill(child, signal.SIGKILL)

    with pytest.raises(ExportError, match=r"TensorRT-RTX broke off while it built for sm86 \(exit code -9\)"):
        build_engine(graph("fp32"), SIGNATURE, "sm86", progress=kill)


def test_a_builder_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(graph("fp32"))
    (tmp_path / "signature.json").write_text(SIGNATURE.model_dump_json())
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from litho.export.engines import build_engine\n"
        "from litho.signature import Signature\n"
        "def end(phase, share):\n"
        "    children = Path(f'/proc/self/task/{os.getpid()}/children').read_text()\n"
        "    print(children, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "signature = Signature.model_validate_json(Path('signature.json').read_text())\n"
        "build_engine(Path('graph.onnx').read_bytes(), signature, 'sm86', progress=end)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    try:
        worker = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([worker], [], [], 120)
        assert ended, "the worker is still there"
    finally:
        os.close(worker)


def _children() -> list[int]:
    """Builders that this process started; a server that another test shares is none."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    children = [int(word) for word in own.read_text().split()]
    return [child for child in children if b"engines.worker" in _command_of(child)]


def _command_of(process: int) -> bytes:
    """Its command; empty if it has ended meanwhile."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
