"""The packages of the suite for a GPU: from the folder of wheels first, then from the index."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import litho

ROOT = Path(litho.__file__).parent


def test_missing_packages_come_from_the_folder_then_from_the_index(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "WHEELS", tmp_path / "wheels")
    monkeypatch.setattr(script, "NEEDED", {"no_such_module_of_anyone": "no-such-package"})
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "one.whl").touch()
    asked: list[list[str]] = []
    (tmp_path / "out").mkdir()
    environment, missing = script.prepare(tmp_path / "out", lambda given: asked.append(given) or "damaged")
    assert missing == ["no-such-package"]
    assert [given[-1] for given in asked] == [str(tmp_path / "wheels" / "one.whl"), "no-such-package"]
    assert "--no-index" in asked[0]
    assert environment["PYTHONPATH"].startswith(str(tmp_path / "out"))
    assert (tmp_path / "out" / "litho").resolve() == ROOT.resolve()
