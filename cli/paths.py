"""Paths on the command line: whether they hold what a verb needs, before any of its stages is imported."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError

__all__ = ["require", "require_file", "require_repository"]

_HOLDS = {
    "bundle": ("manifest.json", "export"),
    "finished run": ("snapshot.json", "train"),
    "model repository": ("MODEL/config.pbtxt", "deploy"),
}
"""Kind of folder -> a file that it holds, and the verb that makes it."""


def require(kind: str, path: Path) -> None:
    """Refuse a path that is no folder of a kind.

    Raises:
        UsageError: it is not.
    """
    content, verb = _HOLDS[kind]
    if not any(path.glob(content.replace("MODEL", "*"))):
        raise UsageError(
            f"no {kind} at {str(path)!r}; expected a folder with {content}, made by 'litho {verb}'"
        )


def require_repository(repository: str) -> None:
    """Refuse a path that is no model repository; what a URL leads to is seen when it is opened.

    Raises:
        UsageError: it is none.
    """
    if "://" not in repository:
        require("model repository", Path(repository))


def require_file(path: Path | None, option: str, expected: str) -> None:
    """Refuse an option that names no file; None stands for an option that was not given.

    Raises:
        UsageError: there is no such file.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"{option} was given {str(path)!r}, which is not a file; expected {expected}")
