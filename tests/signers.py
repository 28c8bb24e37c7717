"""Key pairs and digital signatures by openssl, which knows nothing of litho."""

import shutil
import subprocess
from pathlib import Path

import pytest


def openssl(*words: object) -> bytes:
    """Standard output of openssl; a machine without it skips the test."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, *map(str, words)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_keys(folder: Path, *options: str) -> tuple[Path, Path]:
    """Private and public key in a folder, as docs/security.md makes them.

    Args:
        folder: created if needed.
        options: of `openssl genpkey`; by default those of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / "private.pem", folder / "public.pem"
    openssl("genpkey", *(options or ("-algorithm", "ed25519")), "-out", private)
    password = [option for option in options if option.startswith("pass:")]
    openssl("pkey", "-in", private, "-pubout", "-out", public, *(["-passin", *password] if password else []))
    return private, public
