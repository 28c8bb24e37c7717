"""What a bundle, its parts and a model of a repository may be called: names that are safe in paths and URLs."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import Field as Constraint

from ..errors import UsageError

__all__ = ["MOST_CHARACTERS", "Name", "check_name", "valid_name"]

MOST_CHARACTERS = 128
_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Name = Annotated[str, Constraint(pattern=_PATTERN, max_length=MOST_CHARACTERS)]


def check_name(name: str, what: str) -> str:
    """The name, if a manifest takes it; call this before the work that the name is for.

    Args:
        name: to check.
        what: has the name, for the message, such as "model name".

    Raises:
        UsageError: it is empty or too long, or has another character.
    """
    if re.fullmatch(_PATTERN, name) is None or name.endswith("\n"):
        raise UsageError(
            f"{what} {name!r} is not allowed; use letters, digits, '-', '_' and '.', a letter or digit first"
        )
    if len(name) > MOST_CHARACTERS:
        raise UsageError(f"{what} {name!r} has {len(name)} characters; allowed are {MOST_CHARACTERS}")
    return name


def valid_name(text: str) -> str:
    """The allowed name that is nearest to `text`: without accents, with "-" for what is not allowed."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).lstrip("._-")
    return name[:MOST_CHARACTERS].rstrip("-") or "bundle"
