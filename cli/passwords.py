"""Passwords of private keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

__all__ = ["key_password"]


def key_password(key: Path) -> str | None:
    """The password of an encrypted key: from the environment, or asked for in a terminal."""
    from ..bundle.keys import PASSWORD_VARIABLE, is_encrypted

    if (given := os.environ.get(PASSWORD_VARIABLE)) is not None or not is_encrypted(key):
        return given
    return typer.prompt(f"Password of {key}", hide_input=True, err=True) if sys.stdin.isatty() else None
