"""Paths on the command line: whether they hold what a verb needs, before any of its stages is imported."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError

__all__ = ["require_bundle", "require_file", "require_repository", "require_run"]


def require_bundle(path: Path) -> None:
    """Refuse a path without a bundle.

    Raises:
        UsageError: there is none.
    """
    _require("bundle", path, "manifest.json", "export")


def require_run(path: Path) -> None:
    """Refuse a path without a run that has a snapshot.

    Raises:
        UsageError: there is none.
    """
    _require("finished run", path, "snapshot.json", "train")


def require_repository(path: Path) -> None:
    """Refuse a path without a model repository.

    Raises:
        UsageError: there is none.
    """
    _require("model repository", path, "MODEL/config.pbtxt", "deploy")


def require_file(path: Path | None, option: str, expected: str) -> None:
    """Refuse the path of an option that names no file.

    Args:
        path: as it was given; None where the option was not.
        option: its name.
        expected: what the file should be.

    Raises:
        UsageError: there is no such file.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"{option} was given {str(path)!r}, which is not a file; expected {expected}")


def _require(kind: str, path: Path, content: str, maker: str) -> None:
    if not any(path.glob(content.replace("MODEL", "*"))):
        raise UsageError(
            f"no {kind} at {str(path)!r}; expected a folder with {content}, made by 'litho {maker}'"
        )
