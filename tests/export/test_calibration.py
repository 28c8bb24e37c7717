"""Inputs to calibrate with: drawn as requests are, and real pictures for a generator that takes pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from litho.errors import ExportError
from litho.export.calibration import COUNT, calibrate, calibration_inputs
from litho.export.graph import export_graph
from litho.export.pipeline import Pipeline
from litho.training.networks.pixel_model import PixelModel
from litho.training.run.snapshot import load_snapshot

from ..smallest import smallest_generator


@pytest.fixture(scope="module")
def superres() -> Pipeline:
    """Makes 16x16 pictures from 4x4 ones."""
    torch.manual_seed(0)
    generator = smallest_generator("superres", resolution=16)
    return Pipeline.of(PixelModel(generator, generator.signature()).eval())


def folder(path: Path, count: int) -> Path:
    path.mkdir()
    for number in range(count):
        Image.new("RGB", (16, 16), (number, 2 * number, 3 * number)).save(path / f"{number:03}.png")
    return path


def test_seeds_are_distinct_and_labels_balanced(run: Path) -> None:
    inputs = calibration_inputs(Pipeline.of(load_snapshot(run).picture()), None)
    assert len(np.unique(inputs["seed"])) == COUNT
    counts = np.bincount(inputs["label"])
    assert counts.max() - counts.min() <= 1


def test_pictures_come_from_the_data(superres: Pipeline, tmp_path: Path) -> None:
    inputs = calibration_inputs(superres, str(folder(tmp_path / "data", 40)))
    (name,) = inputs
    assert inputs[name].shape == (COUNT, 4, 4, 3)
    # Every picture of the data is of one colour, and so is its small form.
    assert (inputs[name] == inputs[name][:, :1, :1]).all()
    assert len(np.unique(inputs[name][:, 0, 0, 0])) == 40


def test_without_data_a_generator_of_pictures_is_not_calibrated(superres: Pipeline) -> None:
    with pytest.raises(
        ExportError,
        match="calibration needs source pictures, and the training data is unknown; add --calibration",
    ):
        calibration_inputs(superres, None)


def test_data_that_is_not_there_is_named(superres: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"calibration needs source pictures: .*nowhere.*; add --calibration"
    ):
        calibration_inputs(superres, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("count", "complaint"),
    [(1, "has one picture"), (5, "has 5 pictures; calibration needs at least 16: add --calibration")],
)
def test_too_few_pictures_are_refused(count: int, complaint: str, superres: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=complaint):
        calibration_inputs(superres, str(folder(tmp_path / "data", count)))


@pytest.mark.slow
def test_every_stage_of_a_sampler_is_calibrated_with_what_it_is_given(flow_run: Path) -> None:
    pipeline = Pipeline.of(load_snapshot(flow_run).picture())
    graphs = {
        name: export_graph(module, signature, {}) for name, (module, signature) in pipeline.stages.items()
    }
    seen = calibrate(pipeline, graphs, calibration_inputs(pipeline, None, count=16))
    assert set(seen) == {"text_encoder", "denoiser", "decoder"}
    for name, batches in seen.items():
        fields = {field.name for field in pipeline.stages[name][1].inputs}
        assert all(set(batch) == fields for batch in batches), name
    # The denoiser is called at every step, with times from the whole way.
    times = np.concatenate([batch["time"] for batch in seen["denoiser"]])
    assert times.min() == 0
    assert times.max() > 0.5
