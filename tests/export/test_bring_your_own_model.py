"""The example of docs/bring-your-own-model.md, as a reader would follow it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import litho

PAGE = Path(litho.__file__).parent / "docs" / "bring-your-own-model.md"


@pytest.mark.slow
def test_the_page_s_example_runs(tmp_path: Path) -> None:
    module, declaration, commands, script = re.findall(r"```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "stripes.py").write_text(module)
    (tmp_path / "stripes.yaml").write_text(declaration)
    # The `litho` of an installation does not find modules of the current directory by itself.
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for command in [*commands.splitlines(), f"python -c '{script}'"]:
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "passed\n"
    with Image.open(tmp_path / "stripes.png") as picture:
        assert picture.width == picture.height >= 48
