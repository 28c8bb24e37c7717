"""Paths on the command line: whether they hold what a verb needs, before any of its stages is imported."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote

from ..errors import UsageError

__all__ = ["refuse_others", "require", "require_file", "require_folder", "require_repository"]

_HOLDS = {
    "bundle": ("manifest.json", "export"),
    "finished run": ("snapshot.json", "train"),
    "model repository": ("MODEL/config.pbtxt", "deploy"),
}
"""Kind of folder -> a file that it holds, and the verb that makes it."""

_ADDRESS = re.compile(r"^([a-z][a-z0-9]+):/(?!/)")
"""How an address such as grpc://HOST:PORT begins once it was taken for a path, which keeps one slash."""

_INSTEAD = {
    "bundle": {
        "finished run": "make a bundle of it first: litho export {path}",
        "model repository": "give the bundle that was deployed to it",
    },
    "finished run": {
        "bundle": "give the run that it was made from",
        "model repository": "give a folder made by 'litho train'",
    },
    "model repository": {
        "bundle": "deploy it first: litho deploy {path} --to model_repository",
        "finished run": "make a bundle of it with 'litho export', then a repository with 'litho deploy'",
    },
}
"""Kind of folder that is needed -> kind that was given -> what to do."""


def require(kind: str, path: Path) -> None:
    """Refuse a path that is no folder of a kind.

    Raises:
        UsageError: it is not.
    """
    if _is(kind, path):
        return
    for other, advice in _INSTEAD[kind].items():
        if _is(other, path):
            raise UsageError(
                f"{str(path)!r} is a {other}, not a {kind}; {advice.format(path=quote(str(path)))}"
            )
    content, verb = _HOLDS[kind]
    given = _ADDRESS.sub(r"\1://", str(path))
    raise UsageError(f"no {kind} at {given!r}; expected a folder with {content}, made by 'litho {verb}'")


def refuse_others(kind: str, path: Path, option: str) -> None:
    """Refuse to write a folder of a kind into one of another kind.

    Raises:
        UsageError: the option names such a folder.
    """
    for other in _INSTEAD[kind]:
        if _is(other, path) and not _is(kind, path):
            raise UsageError(f"{option} was given {str(path)!r}, which is a {other}; give another folder")


def _is(kind: str, path: Path) -> bool:
    return any(path.glob(_HOLDS[kind][0].replace("MODEL", "*")))


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


def require_folder(path: Path, option: str, expected: str) -> None:
    """Refuse an option that names no folder.

    Raises:
        UsageError: there is no such folder.
    """
    if not path.is_dir():
        raise UsageError(f"{option} was given {str(path)!r}, which is not a folder; expected {expected}")
