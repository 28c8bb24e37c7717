"""The demo from its second step on: what is there already is kept, and pictures that nobody recognises fail it."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from litho.demo import PRESET, demo
from litho.errors import ProofError, UsageError
from litho.training.models import family
from litho.training.presets import resolve
from litho.training.run.resume import write_recipe
from litho.training.run.snapshot import save_snapshot


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    """A folder of the demo whose run counts as finished, with random weights."""
    torch.manual_seed(0)
    generator = family("cgan").generator(classes=10, width=8).eval()
    for weights in generator.parameters():
        if weights.ndim == 4:
            torch.nn.init.kaiming_normal_(weights)
    write_recipe(tmp_path / "run", resolve(PRESET))
    save_snapshot(tmp_path / "run", generator, family="cgan", preset=PRESET, nimg=1)
    return tmp_path


@pytest.mark.slow
def test_pictures_of_an_untrained_generator_fail_the_demo_and_are_shown_although_its_server_ended_once(
    untrained: Path, read_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litho.demo.TARGETS", ("sm86",))  # an engine takes seconds
    steps: list[str] = []
    others = set(psutil.Process().children())  # servers that tests before this one keep

    def watch(step: str, share: float) -> None:
        steps.append(step)
        # The server ends by itself once, while it is measured.
        if steps.count(step) == 1 and step == "measuring triton at concurrency 8, batch 1":
            started = set(psutil.Process().children()) - others
            (server,) = (one for one in started if one.name() == "tritonserver")
            server.kill()

    snapshot = (untrained / "run" / "snapshot.json").read_bytes()
    with pytest.raises(ProofError, match=r"only .* of the images were recognised; at least 90% must be; see"):
        demo(untrained, seconds=1.0, progress=watch)
    assert any(step.startswith("the server ended (") for step in steps)
    assert (untrained / "run" / "snapshot.json").read_bytes() == snapshot
    assert (untrained / "samples.png").exists()
    assert json.loads((untrained / "bench.json").read_text())["target"].endswith(f"/{PRESET}")
    page = read_page((untrained / "report.html").read_text())
    assert page.of_class("badge")[0].text == "failed"
    assert f"training {PRESET}" in steps


def test_a_place_where_the_demo_cannot_be_written_is_named_by_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--to was given .*file is not a folder"):
        demo(tmp_path / "file", seconds=1.0, progress=lambda step, share: None)
