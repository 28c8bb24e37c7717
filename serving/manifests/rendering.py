"""The chart of Kubernetes objects, rendered by Helm: the one source of them all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import MissingExtra, UsageError
from ...extras import require

__all__ = ["CHART", "check_release", "find_helm", "objects_in", "render", "to_text"]

CHART = Path(__file__).resolve().parents[2] / "deploy" / "charts" / "litho"
_EXTRA = "kubernetes"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,46}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FAILED = re.compile(r"execution error at \([^)]*\): (.*)", re.DOTALL)
_WRONG_VALUE = re.compile(r"^- (?P<where>[^:\n]+): (?P<what>.+)$", re.MULTILINE)


def find_helm() -> str:
    """The program `helm`: of the extra, beside this Python, or of the system.

    Raises:
        MissingExtra: there is none.
    """
    beside = shutil.which("helm", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("helm")
    if found is None:
        raise MissingExtra("helm", _EXTRA)
    return found


def check_release(name: str, namespace: str) -> None:
    """Refuse names that Kubernetes would refuse.

    Raises:
        UsageError: one of them.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name was given {name!r}; allowed are at most 48 small letters, digits and hyphens that begin with a"
            " letter, such as digits"
        )
    if not _NAMESPACE.fullmatch(namespace):
        raise UsageError(
            f"--namespace was given {namespace!r}; allowed are at most 63 small letters, digits and hyphens, such as"
            " models"
        )


def render(name: str, namespace: str, values: dict[str, Any], files: Sequence[Path] = ()) -> str:
    """Render the chart.

    Args:
        name: of the release, and of its objects.
        namespace: of the objects.
        values: of the chart, or those that differ from its defaults.
        files: further values in YAML, which win over `values`.

    Returns:
        YAML of all objects.

    Raises:
        UsageError: a value is not allowed; the message names it.
        MissingExtra: there is no Helm.
    """
    check_release(name, namespace)
    for file in files:
        if not file.is_file():
            raise UsageError(f"--values was given {str(file)!r}, which is not a file; expected YAML")
    command = [find_helm(), "template", name, str(CHART), "--namespace", namespace, "--values", "-"]
    command += [word for file in files for word in ("--values", str(file))]
    ran = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise UsageError(_explained(ran.stderr))
    return ran.stdout


def objects_in(text: str) -> list[dict[str, Any]]:
    """The objects of YAML text, in its order."""
    yaml = require("yaml", _EXTRA)
    return [document for document in yaml.safe_load_all(text) if document]


def to_text(value: Any) -> str:
    """YAML of lists and objects, in the order that they have."""
    return require("yaml", _EXTRA).safe_dump(value, sort_keys=False, width=120, allow_unicode=True)


def _explained(said: str) -> str:
    """One line of what Helm says: its own words about a value, without the call stack of its templates."""
    if failed := _FAILED.search(said):
        return " ".join(failed[1].split())
    if wrong := _WRONG_VALUE.findall(said):
        return "; ".join(
            f"{where.replace('(root)', 'values')}: {what[0].lower()}{what[1:]}" for where, what in wrong
        )
    return f"Helm could not render the chart: {' '.join(said.split())[:400]}"
