"""Registries, measured: `python -m litho.benchmarks.registries BUNDLE` writes `results/registries.json`.

A large file is added to a copy of the bundle. It is pushed to a folder and to the distribution's `docker-registry`,
pushed again, pulled; `litho push` and `litho pull` are killed with SIGKILL in the middle and run again. Faults are
planted into uploads of the bundle itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...bundle.manifest import FileRecord
from ...bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME
from ...errors import LithoError, UnknownName
from ...files import sha256
from ...registry.packing import pack_bundle
from ...registry.pull import pull
from ...registry.push import push
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .documents import RegistriesResult, RegistryRun
from .kinds import Kind, folder_kind, oci_kind
from .refusals import refusals

__all__ = ["RESULT", "main", "measure"]

RESULT = RESULTS / "registries.json"

_KINDS = {"folder": folder_kind, "oci": oci_kind}
_ADDED = "report.html"
_KILL_SECONDS = 120.0
# A short push or pull can end between two looks of this process, on a machine that is busy.
_TRIES = 5


def measure(bundle: Path, folder: Path, mib: int, kinds: list[str], command: str) -> RegistriesResult:
    """Measure kinds of registries.

    Args:
        bundle: that is copied and pushed.
        folder: for everything that is written.
        mib: size of the file that is added to the copy.
        kinds: names of the kinds.
        command: that the document names.

    Raises:
        LithoError: a registry cannot be started, or a push or pull failed that should not.
    """
    large = _with_large_file(bundle, folder / "large", mib)
    runs = []
    for name in kinds:
        own = folder / name
        own.mkdir()
        with _KINDS[name](own) as kind:
            runs.append(_run(name, kind, bundle, large, own))
    return RegistriesResult(
        measured_at=utc_now(),
        command=command,
        bundle=Bundle.load(bundle).manifest.name,
        size_bytes=pack_bundle(large).package.size_bytes,
        runs=tuple(runs),
        machine=describe_machine(),
    )


def _run(name: str, kind: Kind, bundle: Path, large: Path, folder: Path) -> RegistryRun:
    killed_push = _killed_push(kind, large, folder)
    address = kind.address("large")
    begun = time.perf_counter()
    push(large, address)
    push_seconds = time.perf_counter() - begun
    again = push(large, address).sent_bytes
    begun = time.perf_counter()
    first = pull(address, to=folder / "first")
    pull_seconds = time.perf_counter() - begun
    killed_pull = _killed_pull(address, folder / "second", first.size_bytes)
    second = pull(address, to=folder / "second")
    return RegistryRun(
        kind="folder" if name == "folder" else "oci",
        push_seconds=push_seconds,
        pull_seconds=pull_seconds,
        again_bytes=again,
        killed_pull_bytes=killed_pull,
        continued_bytes=second.received_bytes,
        killed_push_bytes=killed_push,
        same=all(_same(large, one.path) for one in (first, second)),
        refusals=tuple(refusals(kind, bundle, folder)),
    )


def _killed_push(kind: Kind, large: Path, folder: Path) -> int:
    """Kill a push in the middle, push again, and compare: bytes of the first that the second found."""
    size = pack_bundle(large).package.size_bytes
    for attempt in range(_TRIES):
        address, enough = kind.address(f"killed{attempt}"), kind.received() + 0.3 * size
        if _killed(["push", str(large), address], lambda enough=enough: kind.received() > enough):
            break
    else:
        raise _too_fast("push")
    present = push(large, address).present_bytes
    if not _same(large, pull(address, to=folder / "of-killed").path):
        raise LithoError(f"what was pushed to {address} after a kill is not the bundle")
    return present


def _killed_pull(address: str, target: Path, size: int) -> int:
    """Kill a pull in the middle: bytes that had arrived."""

    def arrived() -> int:
        files = target.parent.glob(f".{target.name}.pull-*/**/*")
        return sum(file.stat().st_size for file in files if file.is_file())

    for _ in range(_TRIES):
        _killed(["pull", address, "--to", str(target)], lambda: arrived() > 0.3 * size)
        if not target.exists():
            return arrived()
        shutil.rmtree(target)
    raise _too_fast("pull")


def _killed(words: list[str], reached: Callable[[], bool]) -> bool:
    """Start litho and kill it (SIGKILL) once a state is reached: False where it ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "litho", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + _KILL_SECONDS
    try:
        while not _tried(reached):
            if process.poll() is not None or time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True
    finally:
        process.kill()
        process.wait()


def _too_fast(command: str) -> LithoError:
    return LithoError(
        f"'litho {command}' ended {_TRIES} times before it could be killed; give a larger --mib"
    )


def _tried(reached: Callable[[], bool]) -> bool:
    try:
        return reached()
    except FileNotFoundError:
        return False  # a file was renamed while it was looked at


def _with_large_file(bundle: Path, target: Path, mib: int) -> Path:
    """A copy of a bundle with one large file, without a digital signature."""
    shutil.copytree(bundle, target)
    for name in (SIGNATURE_NAME, SIGNER_NAME):
        (target / name).unlink(missing_ok=True)
    source = random.Random(0)
    with (target / _ADDED).open("wb") as file:
        for _ in range(mib):
            file.write(source.randbytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    manifest = json.loads((target / MANIFEST_NAME).read_text())
    record = FileRecord(sha256=sha256(target / _ADDED), size_bytes=mib << 20)
    manifest["files"][_ADDED] = record.model_dump()
    (target / MANIFEST_NAME).write_text(json.dumps(manifest))
    return target


def _same(one: Path, other: Path) -> bool:
    """Whether two bundles hold the same files."""

    def content(root: Path) -> dict[str, str]:
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): sha256(path) for path in files}

    return content(one) == content(other)


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is pushed.", show_default=False)],
    mib: Annotated[int, typer.Option(help="Size of the file that is added to it, in MiB.", min=1)] = 512,
    kinds: Annotated[str, typer.Option(help="Kinds of registries, separated by commas.")] = "folder,oci",
    output: Output = RESULT,
) -> None:
    """Push, pull, kill, continue, change a byte, in a folder and in an OCI registry."""
    with errors_of("registries", output):
        chosen = [word.strip() for word in kinds.split(",")]
        if unknown := [word for word in chosen if word not in _KINDS]:
            raise UnknownName("kind of registry", unknown[0], _KINDS)
        command = f"python -m litho.benchmarks.registries {bundle.name} --mib {mib}"
        with tempfile.TemporaryDirectory(prefix="registries-") as folder:
            result = measure(bundle, Path(folder), mib, chosen, command)
    rows = list[str]()
    for run in result.runs:
        rate = result.size_bytes / (1 << 20)
        rows.append(
            f"{run.kind}: push {rate / run.push_seconds:.0f} MiB/s, pull {rate / run.pull_seconds:.0f} MiB/s,"
            f" {sum(one.good for one in run.refusals)} of {len(run.refusals)} faults refused by name"
        )
        rows += [f"  {one.fault}: {one.message or 'NOT REFUSED'}" for one in run.refusals]
    good = all(run.same and all(one.good for one in run.refusals) for run in result.runs)
    finish(output, result, rows, failed=not good)
