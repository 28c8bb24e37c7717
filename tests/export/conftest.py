"""A copy of the tiny bundle that a test may change."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def mine(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    shutil.copytree(bundle, tmp_path / "tiny")
    return tmp_path / "tiny"
