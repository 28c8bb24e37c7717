"""What the tests of sources share: no data folder of the machine, and small picture files."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Paint = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITHO_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def paint() -> Paint:
    """Makes a PNG of one grey: paint(value, side=4)."""

    def painted(value: int, side: int = 4) -> bytes:
        buffer = io.BytesIO()
        Image.new("L", (side, side), value).save(buffer, format="PNG")
        return buffer.getvalue()

    return painted
