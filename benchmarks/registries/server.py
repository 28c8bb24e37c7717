"""A real OCI registry on this machine: the distribution's `docker-registry`, with its files in a folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import LithoError, ServerStartError

__all__ = ["RunningRegistry", "find_registry", "running_registry"]

_START_SECONDS = 60.0
_LISTENING = re.compile(rb"listening on 127\.0\.0\.1:(\d+)")


def find_registry() -> str | None:
    """The program; None where it is not installed."""
    return shutil.which("docker-registry") or shutil.which("registry")


@dataclass(frozen=True)
class RunningRegistry:
    """A registry that runs.

    Args:
        host: with its port.
        data: folder of its files.
    """

    host: str
    data: Path

    def blob(self, digest: str) -> Path:
        """The file that holds the content of a digest."""
        plain = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / plain[:2] / plain / "data"


@contextmanager
def running_registry(
    folder: Path, auth: Mapping[str, Any] | None = None, most_file_bytes: int | None = None
) -> Iterator[RunningRegistry]:
    """Run a registry while the block runs.

    Args:
        folder: for its settings, log and files; what an earlier registry left there is served again.
        auth: its settings of the same name; by default everybody may push.
        most_file_bytes: largest file that it may write, to make it fail like one whose disk is full.

    Raises:
        LithoError: the program is not installed.
        ServerStartError: it ended, or did not listen in time.
    """
    program = find_registry()
    if program is None:
        raise LithoError(
            "docker-registry is not installed; install your distribution's package docker-registry"
        )
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0", "secret": "of this machine"},
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    words = [program, "serve", str(folder / "config.yml")]
    if most_file_bytes is not None:
        words = ["prlimit", f"--fsize={most_file_bytes}", *words]
    log = folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(words, stdout=written, stderr=written)
    try:
        yield RunningRegistry(f"127.0.0.1:{_port(process, log)}", folder / "data")
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _START_SECONDS
    while (found := _LISTENING.search(log.read_bytes())) is None:
        if process.poll() is not None or time.monotonic() > until:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise ServerStartError(f"docker-registry does not listen: {' '.join(last)[:300]}")
        time.sleep(0.01)
    return int(found[1])
