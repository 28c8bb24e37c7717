"""What a measurement depends on beside the machine: its governor and load, threads, packages, and the code itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from pydantic import Field as Constraint

from ...bundle.json_documents import Document

__all__ = ["Environment", "describe_environment", "utc_now"]

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_THREADS = ("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "ORT_", "TBB_")
"""Starts of the names of variables by which numeric libraries choose threads."""

_ROOT = Path(__file__).resolve().parents[2]


class Environment(Document):
    """What a measurement depends on beside the machine.

    Args:
        command: that made the document; paths are cut to their last part.
        governor: of the processor's frequency; empty where the system does not say.
        load_average: of the last minute when the measurement began: processes that ran or waited to run.
        variables: variables by which numeric libraries choose threads.
        git_commit: of the code, with "+" if files differ from it; empty outside a checkout.
        packages: name -> version of every installed package.
    """

    command: str = ""
    governor: str = ""
    load_average: float | None = None
    variables: dict[str, str] = Constraint(default_factory=dict)
    git_commit: str = ""
    packages: dict[str, str] = Constraint(default_factory=dict)


def describe_environment() -> Environment:
    """The environment of this process."""
    return Environment(
        command=_command(),
        governor=_GOVERNOR.read_text().strip() if _GOVERNOR.exists() else "",
        load_average=os.getloadavg()[0],
        variables={name: value for name, value in sorted(os.environ.items()) if name.startswith(_THREADS)},
        git_commit=_commit(),
        packages=dict(_packages()),
    )


def utc_now() -> str:
    """Date and time in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> str:
    program, *words = sys.argv
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    start = f"python -m {module.name.removesuffix('.__main__')}" if module else Path(program).name
    return " ".join([start, *map(_without_folders, words)])


def _without_folders(word: str) -> str:
    name, equals, value = word.rpartition("=")  # NAME=PATH is cut, too
    return f"{name}{equals}{Path(value).name}" if value.startswith(("/", ".", "~")) else word


# What a process has imported stays as it was: neither is asked for twice.
@cache
def _packages() -> tuple[tuple[str, str], ...]:
    found = ((one.metadata["Name"], one.version) for one in distributions())
    return tuple(sorted(each for each in found if each[0]))


@cache
def _commit() -> str:
    git = shutil.which("git")
    if git is None or not (_ROOT / ".git").exists():
        return ""
    try:
        said = [
            subprocess.run([git, "-C", str(_ROOT), *words], capture_output=True, text=True, check=True).stdout
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    commit, changed = (text.strip() for text in said)
    return f"{commit}{'+' if changed else ''}"
