import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image

from litho.training.networks.pixel_model import PixelModel
from litho.training.run.logging import SAMPLE_COLUMNS, Statistics, StatisticsLog, sample_grid

from ...smallest import smallest_generator

values = st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6))


@given(st.lists(values), st.integers(0, 5))
def test_statistics_are_means_also_after_a_resume(steps: list[dict[str, float]], cut: int) -> None:
    first = Statistics()
    for step in steps[:cut]:
        first.add(step)
    resumed = Statistics(first.sums)
    for step in steps[cut:]:
        resumed.add(step)
    means = resumed.means()
    assert set(means) == {name for step in steps for name in step}
    for name, mean in means.items():
        assert mean == pytest.approx(np.mean([step[name] for step in steps if name in step]), abs=1e-6)
    assert resumed.means() == {}


def test_lines_after_the_checkpoint_and_cut_lines_are_removed(tmp_path: Path) -> None:
    log = StatisticsLog(tmp_path, 0)
    for nimg in (32, 64, 96):
        log.append(nimg, {"loss": nimg / 2})
    log.close()
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"nimg": 12')
    resumed = StatisticsLog(tmp_path, 64)
    resumed.append(96, {"loss": 1.0})
    resumed.close()
    lines = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert lines == [{"nimg": 32, "loss": 16.0}, {"nimg": 64, "loss": 32.0}, {"nimg": 96, "loss": 1.0}]


def test_a_grid_of_samples_is_the_same_every_time_and_has_a_row_for_each_class(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = smallest_generator("cgan", classes=3, resolution=16)
    model = PixelModel(generator, generator.signature(("cat", "dog", "fish"))).eval()
    for name in ("first", "second"):
        sample_grid(tmp_path / f"{name}.png", model, torch.device("cpu"))
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    with Image.open(tmp_path / "first.png") as grid:
        side = grid.width // (SAMPLE_COLUMNS + 1)  # the names of the rows stand beside them
        assert grid.height // side == 3
