from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from litho.errors import ExportError
from litho.export.graph import OPSET, export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.source import open_source
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field
from litho.signature.noise import gaussian
from litho.training.run.snapshot import load_snapshot

pytestmark = pytest.mark.slow

GREY = Signature(inputs=(seed_field(),), output=image_output(2, 2, 1))


class Grey(nn.Module):
    """Every pixel is the seed modulo 256, with whatever a test wants to go wrong."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.norm = nn.BatchNorm2d(1)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        (seed,) = inputs
        if self.fault == "control flow" and bool(seed.sum() > 3):
            seed = seed + 1
        pixels = (seed % 256).reshape(-1, 1, 1, 1).expand(-1, 2, 2, 1)
        return pixels.float() if self.fault == "dtype" else pixels.to(torch.uint8)


def test_the_graph_is_valid_and_says_what_the_signature_says(run: Path) -> None:
    picture = load_snapshot(run).picture()
    model = onnx.load_from_string(export_graph(picture, picture.signature, {"litho.family": "cgan"}))
    assert model.opset_import[0].version == OPSET >= 21
    assert [value.name for value in model.graph.input] == ["seed", "label", "truncation"]
    assert [value.name for value in model.graph.output] == ["image"]
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["litho.family"] == "cgan"
    assert Signature.model_validate_json(properties["litho.signature"]) == picture.signature


def test_the_graph_holds_no_path_of_the_machine_and_two_exports_are_the_same_bytes(run: Path) -> None:
    picture = load_snapshot(run).picture()
    first, second = (export_graph(picture, picture.signature, {}) for _ in range(2))
    assert first == second
    assert str(Path(__file__).parents[2]).encode() not in first


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_any_batch_runs_and_gives_torch_s_pictures(run: Path, batch: int) -> None:
    picture = load_snapshot(run).picture()
    inputs = picture.signature.example(batch, seed=batch)
    with torch.inference_mode():
        wanted = picture(*(torch.from_numpy(array) for array in inputs.values())).numpy()
    with Runner(export_graph(picture, picture.signature, {}), picture.signature) as runner:
        difference = np.abs(runner.run(inputs)["image"].astype(int) - wanted)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


def test_a_graph_can_take_the_raw_latent(run: Path) -> None:
    picture = load_snapshot(run).picture("latent")
    with Runner(export_graph(picture, picture.signature, {}), picture.signature) as runner:
        assert runner.run(picture.signature.example(3))["image"].shape == (3, 32, 32, 1)


def test_training_mode_is_refused() -> None:
    module = Grey().eval()
    module.norm.train()
    with pytest.raises(ExportError, match=r"training mode \('norm'\); call \.eval\(\)"):
        export_graph(module, GREY, {})


def test_weights_that_are_not_finite_are_refused() -> None:
    module = Grey().eval()
    module.norm.weight.data.fill_(torch.nan)
    with pytest.raises(ExportError, match=r"'norm\.weight' holds NaN"):
        export_graph(module, GREY, {})


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [("control flow", "torch cannot export"), ("dtype", "the graph has 'image' as FP32")],
)
def test_what_cannot_be_exported_is_an_error_of_one_line(fault: str, complaint: str) -> None:
    with pytest.raises(ExportError, match=complaint) as refused:
        export_graph(Grey(fault).eval(), GREY, {})
    assert "\n" not in str(refused.value)


def test_a_module_of_another_size_than_its_signature_is_refused() -> None:
    wrong: dict[str, Any] = {"inputs": GREY.inputs, "output": image_output(4, 4, 1)}
    with pytest.raises(ExportError, match=r"shape \(-1, 2, 2, 1\), the signature says"):
        export_graph(Grey().eval(), Signature(**wrong), {})


class Sum(nn.Module):
    """The sum of its noises on every pixel, for as many pictures as the first noise has."""

    def forward(self, first: torch.Tensor, **others: torch.Tensor) -> torch.Tensor:
        sums = [noise.flatten(1).sum(1) for noise in (first, *others.values())]
        return torch.zeros(first.shape[0], 1, 2, 2) + torch.stack(sums, 1).sum(1)[:, None, None, None] / 8


@pytest.mark.parametrize(
    "noise",
    [
        {"shape": [4, 6, 6]},
        {"shape": [5]},
        {"noises": {"first": [3, 2], **{f"noise{place}": [1, place, place] for place in range(1, 10)}}},
    ],
    ids=["a latent with height and width", "an odd count", "ten noises"],
)
def test_the_noise_is_one_value_of_all_its_numbers_whatever_follows(noise: dict[str, Any]) -> None:
    signature = {
        "inputs": [{"role": "seed", **noise}],
        "output": {"height": 2, "width": 2, "channels": 1},
    }
    picture = open_source(Sum().eval(), signature=signature).pipeline.model
    count = picture.generator.latent_size
    graph = export_graph(picture, picture.signature, {})
    model = onnx.load_from_string(graph)
    (made,) = [value for value in model.graph.value_info if value.name == "noise"]
    assert [extent.dim_value for extent in made.type.tensor_type.shape.dim] == [0, count]
    outside, _ = apply_passes(graph, [*default_passes(), "noise_outside"])
    assert [value.name for value in onnx.load_from_string(outside).graph.input] == ["noise"]
    seeds = np.array([0, 1, 2**63 - 1])
    session = onnxruntime.InferenceSession(outside, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"noise": gaussian(seeds, count)})
    with torch.inference_mode():
        wanted = picture(torch.from_numpy(seeds)).numpy()
    assert np.abs(np.asarray(found).astype(int) - wanted).max() <= 1


def test_a_module_that_copies_large_batches_is_traced_once() -> None:
    """As the upsampling of diffusers does."""

    class Copying(Grey):
        calls = 0

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            (seed,) = inputs
            return super().forward(seed.contiguous() if seed.shape[0] >= 64 else seed)

    module = Copying().eval()
    with Runner(export_graph(module, GREY, {}), GREY) as runner:
        assert module.calls == 1
        given = GREY.example(70)
        assert (runner.run(given)["image"][:, 0, 0, 0] == given["seed"] % 256).all()
