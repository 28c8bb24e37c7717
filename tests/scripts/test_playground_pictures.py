"""The pictures of docs/playground.md are taken from the page as it is."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import litho
from litho.serving.gateway.program import Program

PAGE = Path(litho.__file__).parent / "docs" / "playground.md"


def test_every_picture_of_the_documentation_is_one_of_the_script(script: ModuleType) -> None:
    shown = {path.name for path in (PAGE.parent / "playground").glob("*.png")}
    assert {f"{name}.png" for name in script.SCENES} == shown
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in shown if f"playground/{name}" not in text] == []


def test_pictures_are_taken_before_a_running_gateway(
    script: ModuleType, gateway: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        pytest.skip("the page is shown by Chromium, and this machine has none: apt-get install chromium")
    monkeypatch.setattr(script, "SCENES", {"phone": script.SCENES["phone"]})
    (taken,) = script.write_pictures(gateway.url, tmp_path)
    with Image.open(taken) as picture:
        assert picture.size == tuple(script.PHONE.values())
        assert len(picture.getcolors(1 << 20) or ()) > 8
