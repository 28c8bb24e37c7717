"""A new key pair for measurements that sign."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["make_key_pair"]


def make_key_pair(folder: Path) -> tuple[Path, Path]:
    """PEM files of a private Ed25519 key and its public one, made by openssl.

    Args:
        folder: holds them.
    """
    private, public = folder / "private.pem", folder / "public.pem"
    for command in (
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private],
        ["openssl", "pkey", "-in", private, "-pubout", "-out", public],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return private, public
