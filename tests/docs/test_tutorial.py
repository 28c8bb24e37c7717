"""docs/tutorial.md, followed word by word in an empty directory; the quick start of README.md is part of it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ..conftest import held_port
from .conftest import ROOT, commands_of, environment, read_page, run

# What a test changes: it trains for seconds, not minutes, and measures for seconds. So short a training need not give
# a network that keeps INT8's gate. Pictures of half the side are evaluated in a third of the time.
SHORTER = {
    "litho export runs/digits": " --precision fp32,fp16",
    "litho train cgan-digits --run runs/digits": " --set nimg=4000 --set resolution=16 --set width=32"
    " --set discriminator_width=16",
    "litho bench": " --seconds 3",
}


@contextlib.contextmanager
def serving(command: str, folder: Path) -> Iterator[None]:
    """The server of a command, from the line that says that it is ready to Ctrl-C."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment()
    )
    assert process.stdout is not None
    try:
        assert any("grpc://" in line for line in process.stdout), "the server ended before it was ready"
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=240)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_tutorial_runs(tmp_path: Path) -> None:
    page = read_page(ROOT / "docs" / "tutorial.md")
    with contextlib.ExitStack() as running:
        port = str(running.enter_context(held_port()))
        for language, block in page.blocks:
            block = block.replace("8001", port)
            if language == "python":
                printed = run([sys.executable, "-c", block], tmp_path).strip()
                assert f"prints `{printed.replace('16, 16', '32, 32')}`" in page.text
            for command in commands_of(block) if language == "sh" else ():
                if command.startswith("litho serve "):
                    running.enter_context(serving(command, tmp_path))
                else:
                    added = "".join(more for start, more in SHORTER.items() if command.startswith(start))
                    run(command + added, tmp_path)
    with Image.open(tmp_path / "threes.png") as picture:
        assert picture.width > 3 * 16
    # Made here and through the server: the same seeds, the same picture.
    assert (tmp_path / "threes.png").read_bytes() == (tmp_path / "served.png").read_bytes()


def test_the_quick_start_is_part_of_the_tutorial() -> None:
    tutorial = read_page(ROOT / "docs" / "tutorial.md").text
    readme = read_page(ROOT / "README.md")
    (quick,) = (block for language, block in readme.blocks if language == "sh" and "litho train" in block)
    for command in commands_of(quick):
        assert command in tutorial
