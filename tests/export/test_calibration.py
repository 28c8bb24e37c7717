"""Inputs to calibrate with: drawn as requests are, and real pictures for a generator that takes pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from litho.errors import ExportError
from litho.export.calibration import COUNT, calibrate, calibration_inputs, pictures_sha256
from litho.export.graph import export_graph
from litho.export.pipeline import Pipeline
from litho.export.source import open_source
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


CONDITIONED = {
    "inputs": [
        {"role": "seed", "shape": [3, 8, 8]},
        {"role": "condition", "argument": "tone", "shape": [3]},
        {"role": "condition", "argument": "step", "dtype": "INT64", "minimum": 0, "maximum": 9},
    ],
    "output": {"height": 8, "width": 8, "channels": 3},
}


class Toned(torch.nn.Module):
    def forward(self, z: torch.Tensor, *, tone: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z + tone[:, :, None, None] + step.float()[:, None, None, None])


@pytest.fixture(scope="module")
def conditioned() -> Pipeline:
    return open_source(Toned().eval(), signature=CONDITIONED).pipeline


def test_conditions_come_from_a_file_where_it_has_them(conditioned: Pipeline, tmp_path: Path) -> None:
    drawn = calibration_inputs(conditioned, None)
    assert abs(drawn["tone"].std() - 1) < 0.2
    assert set(drawn["step"].tolist()) == set(range(10))
    tone = np.random.default_rng(0).random((40, 3), np.float32)
    save_file({"tone": tone}, tmp_path / "real.safetensors")
    real = calibration_inputs(conditioned, str(tmp_path / "real.safetensors"))
    assert real["tone"].shape == (COUNT, 3)
    assert {tuple(row) for row in real["tone"]} == {tuple(row) for row in tone}
    assert np.array_equal(real["step"], drawn["step"])
    hashes = {pictures_sha256(conditioned.signature, inputs) for inputs in (drawn, real)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        (
            {"tones": np.zeros((16, 3))},
            "has an array 'tones'; calibration takes those of conditions and pict",
        ),
        (
            {"tone": np.zeros((15, 3))},
            "has 15 of 'tone'; calibration needs one number of values for all, at l",
        ),
        (
            {"tone": np.zeros((20, 3)), "step": np.zeros(16, np.int64)},
            "has 20 of 'tone', 16 of 'step'; calibration needs one number",
        ),
        ({"tone": np.zeros((16, 4))}, "was given shape (16, 4); allowed is FP32 of shape (batch, 3)"),
        ({"step": np.full(16, 10)}, "was given value 10; allowed is INT64"),
        ({}, "has no array; calibration needs"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(
    conditioned: Pipeline, tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str
) -> None:
    save_file(arrays, tmp_path / "real.safetensors")
    with pytest.raises(ExportError) as refused:
        calibration_inputs(conditioned, str(tmp_path / "real.safetensors"))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_holds_source_pictures_too(superres: Pipeline, tmp_path: Path) -> None:
    field = superres.signature.inputs[0]
    pictures = np.random.default_rng(0).integers(0, 256, (16, *field.usual_shape), np.uint8)
    np.save(tmp_path / "real.npy", pictures)
    inputs = calibration_inputs(superres, str(tmp_path / "real.npy"), count=16)
    assert np.array_equal(inputs[field.name], pictures)
