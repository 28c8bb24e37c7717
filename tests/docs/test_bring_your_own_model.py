"""The example of docs/bring-your-own-model.md, as a reader would follow it."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from .conftest import ROOT, commands_of, read_page, run


@pytest.mark.slow
def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    blocks = read_page(ROOT / "docs" / "bring-your-own-model.md").blocks
    module, script = (block for language, block in blocks if language == "python")
    (signature,) = (block for language, block in blocks if language == "yaml")
    (commands,) = (block for language, block in blocks if language == "sh")
    (tmp_path / "stripes.py").write_text(module)
    (tmp_path / "stripes.yaml").write_text(signature)
    for command in commands_of(commands):
        run(command, tmp_path)
    assert run([sys.executable, "-c", script], tmp_path) == "passed\n"
    with Image.open(tmp_path / "stripes.png") as picture:
        assert picture.width == picture.height >= 48
