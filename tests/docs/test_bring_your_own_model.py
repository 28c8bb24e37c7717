"""The example of docs/bring-your-own-model.md, as a reader would follow it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litho.bundle import Bundle

from .conftest import ROOT, commands_of, read_page, run


@pytest.mark.slow
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    blocks = read_page(ROOT / "docs" / "bring-your-own-model.md").blocks
    module, script, second, third = (block for language, block in blocks if language == "python")
    signatures = [block for language, block in blocks if language == "yaml"]
    names = ("stripes", "sprites", "latent")
    for name, code, signature in zip(names, (module, second, third), signatures, strict=True):
        (tmp_path / f"{name}.py").write_text(code)
        (tmp_path / f"{name}.yaml").write_text(signature)
    for block in (block for language, block in blocks if language == "sh"):
        for command in commands_of(block):
            run(command, tmp_path)
    assert run([sys.executable, "-c", script], tmp_path) == "passed\n"
    assert Bundle.load(tmp_path / "bundles" / "latent").manifest.variants[0].verdict.status == "passed"
    with Image.open(tmp_path / "stripes.png") as picture:
        assert picture.width == picture.height >= 48
    with Image.open(tmp_path / "sprites.png") as picture:
        alpha = np.asarray(picture)[:8, :8, 3]
        assert 0 < alpha.min() < alpha.max() < 255
