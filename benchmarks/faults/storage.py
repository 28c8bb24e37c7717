"""Faults of storage: a full disk while serving and while deploying, and a version whose files were changed."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .base import Fault, Scene

__all__ = ["FAULTS", "mount", "unmount"]

DISK_BYTES = 256 << 20
HOLD_SECONDS = 5.0


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """The disk of a folder without a free byte."""
    filler = folder / ".filler"
    block = 1 << 20
    try:
        with filler.open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(b"\1" * block)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block //= 2
        yield
    finally:
        filler.unlink(missing_ok=True)


def _full_while_serving(scene: Scene) -> Mapping[str, Any]:
    with _full(scene.repository.parent):
        time.sleep(HOLD_SECONDS)
    scene.ended()
    return {"seconds": HOLD_SECONDS}


def _full_and_killed(scene: Scene) -> Mapping[str, Any]:
    with _full(scene.repository.parent):
        (server,) = scene.serving.processes("tritonserver")
        server.kill()
        scene.ended()
        good = scene.load.wait_for_good(scene.whole_from, 1.0, 40)
        scene.expect(good, "it did not recover while the disk was full")
    return {}


def _full_while_deploying(scene: Scene) -> Mapping[str, Any]:
    before = _files(scene.repository)
    with _full(scene.repository.parent):
        code, said = _litho(
            scene, "deploy", scene.bundle, "--to", scene.repository, "--name", scene.model.name, *_OTHER
        )
    scene.ended()
    scene.expect(code == 1, f"deploy ended with exit code {code}")
    scene.expect(len(said.splitlines()) == 1, f"deploy said: {said}")
    after = _files(scene.repository)
    scene.expect(after == before, f"deploy left {sorted(set(after.items()) ^ set(before.items()))[:3]}")
    return {"exit_code": code, "said": said}


_OTHER = ("--instance-count", "1")
"""Settings that make it another deployment: the same one again would write nothing."""


def _corrupted(scene: Scene) -> Mapping[str, Any]:
    """Deploy a second version, then roll back to the first, whose graph was changed meanwhile."""
    deployed, said = _litho(
        scene, "deploy", scene.bundle, "--to", scene.repository, "--name", scene.model.name, *_OTHER
    )
    scene.expect(deployed == 0, f"deploy said: {said}")
    scene.serving.accept_entries()
    graph = max((scene.model / "1").rglob("*.onnx"))
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, refusal = _litho(scene, "rollback", scene.repository, scene.model.name)
    scene.ended()
    scene.expect(code == 1, f"rollback to a changed version ended with exit code {code}: {refusal}")
    scene.expect(graph.name in refusal or "changed" in refusal, f"rollback said: {refusal}")
    return {"deploy": said, "rollback": refusal, "exit_code": code}


def _litho(scene: Scene, *arguments: object) -> tuple[int, str]:
    """Run the command line: exit code, and what it said, without the folder of the scene."""
    done = subprocess.run(
        [sys.executable, "-m", "litho", *map(str, arguments)], capture_output=True, text=True, timeout=180
    )
    said = (done.stdout + done.stderr).strip()
    return done.returncode, said.replace(f"{scene.repository.parent}/", "")


def _files(folder: Path) -> dict[str, int]:
    """Files of a folder, without locks and advertisements -> size."""
    return {
        str(file.relative_to(folder)): file.stat().st_size
        for file in folder.rglob("*")
        if file.is_file() and not file.relative_to(folder).parts[0].startswith(".")
    }


def mount(folder: Path, size: int) -> None:
    """Give a folder a disk of its own, in memory.

    Raises:
        OSError: this user may not.
    """
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(mounting, capture_output=True, text=True) if shutil.which("mount") else None
    if done is None or done.returncode:
        raise OSError(f"cannot mount a disk: {done.stderr.strip() if done else 'no mount'}")


def unmount(folder: Path) -> None:
    """Take the disk away."""
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - as the user's path finds it


FAULTS = (
    Fault("disk-full-serving", "the disk is full for 5 s", _full_while_serving, disk_bytes=DISK_BYTES),
    Fault(
        "disk-full-killed", "the disk is full, and the server is killed", _full_and_killed, None, DISK_BYTES
    ),
    Fault("disk-full-deploying", "the disk is full during a deploy", _full_while_deploying, None, DISK_BYTES),
    Fault("version-corrupted", "rollback to a version whose graph was changed", _corrupted),
)
