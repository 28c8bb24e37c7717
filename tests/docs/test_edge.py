"""The commands of docs/edge.md, in its order, with a tiny bundle in place of the copied one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import ROOT, read_page, run


@pytest.mark.slow
def test_the_commands_of_the_page_run(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    shutil.copytree(bundle, tmp_path / "bundles" / "1")
    first, update, back = (
        block for language, block in read_page(ROOT / "docs" / "edge.md").blocks if language == "sh"
    )
    current = tmp_path / "bundles" / "current"
    run(f"set -e\n{first}", tmp_path)
    assert current.readlink() == Path("1")
    run(f"set -e\n{update}", tmp_path)
    assert current.readlink() == Path("2")
    assert (tmp_path / "seven.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    run(f"set -e\n{back}", tmp_path)
    assert current.readlink() == Path("1")
    assert not (tmp_path / "bundles" / "next").exists()
