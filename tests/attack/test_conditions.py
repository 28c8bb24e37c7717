"""Generators that take more than noise: conditions of every type and rank, constant tensors, pictures with alpha."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch import Tensor, nn

import litho
from litho.benchmarks.load.measuring.requests import Requests
from litho.runners import open_runner
from litho.serving.generation.generate import generate
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.signature.noise import gaussian

from .zoo import Generator

GHOST: dict[str, Any] = {
    "inputs": [
        {
            "role": "seed",
            "noises": [[3, 8, 8], {"argument": "layers", "shapes": [[1, 4, 4], [1, 8, 8]]}],
        },
        {"role": "image", "height": 8, "width": 8, "channels": 4, "argument": "start"},
        {"role": "condition", "argument": "cond.pose", "shape": [2, 3]},
        {"role": "condition", "argument": "cond.depth", "dtype": "UINT8", "shape": [1, 8, 8]},
        {
            "role": "condition",
            "argument": "cond.words",
            "dtype": "INT64",
            "shape": [5],
            "minimum": 0,
            "maximum": 9,
        },
        {"role": "condition", "argument": "time", "minimum": 0, "maximum": 1, "default": 0.5},
    ],
    "output": {"height": 8, "width": 8, "channels": 4, "range": [0, 1]},
    "constants": {
        "scale": [[[0.5]], [[0.4]], [[0.3]], [[0.2]]],
        "cond.place": {"file": "place.npy", "per_picture": True},
        "step": {"value": 3, "per_picture": True},
        "strength": 0.25,
        "mode": "ghost",
        "extra": None,
        "gate": [True, False, True, True],
    },
}
"""Everything that a signature file can say about inputs, at once."""


class Ghost(nn.Module):
    """Paints RGBA from everything that it is given, and checks the form of it."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.words = nn.Embedding(10, 4)
        self.pose = nn.Linear(6, 4)
        self.mix = nn.Conv2d(9, 4, 3, padding=1)
        for weights in self.parameters():
            nn.init.normal_(weights, std=0.3, generator=generator)

    def forward(
        self,
        z: Tensor,
        *,
        layers: list[Tensor],
        start: Tensor,
        cond: dict[str, Tensor],
        time: Tensor,
        scale: Tensor,
        step: Tensor,
        strength: float,
        mode: str,
        extra: None,
        gate: Tensor,
    ) -> Tensor:
        coarse, fine = layers
        assert (mode, extra, gate.dtype) == ("ghost", None, torch.bool)
        assert (scale.shape, cond["place"].shape[1:], step.dtype) == ((4, 1, 1), (8, 8), torch.int64)
        assert coarse.shape[1:] == (1, 4, 4)
        depth = cond["depth"].float() / 255 + nn.functional.interpolate(coarse, scale_factor=2.0)
        images = self.mix(torch.cat((z, start, depth + fine, cond["place"][:, None]), 1))
        tones = self.pose(cond["pose"].flatten(1)) + self.words(cond["words"]).mean(1)
        tones = tones * time[:, None] + step.float()[:, None] * strength
        tones = torch.where(gate, tones, -tones)
        return torch.sigmoid((images + tones[:, :, None, None]) * scale * 4)


@pytest.fixture(scope="module")
def ghost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the bundle `bundle` of the ghost, proven in both runtimes of graphs."""
    folder = tmp_path_factory.mktemp("ghost")
    np.save(folder / "place.npy", np.random.default_rng(0).standard_normal((8, 8)))
    (folder / "ghost.json").write_text(json.dumps(GHOST))
    real = np.random.default_rng(1).integers(0, 256, (16, 8, 8, 4), np.uint8)
    save_file({"source": real, "time": np.full(16, 0.5)}, folder / "real.safetensors")
    bundle = litho.export_model(
        Ghost().eval(),
        signature=folder / "ghost.json",
        to=folder / "bundle",
        runtimes=["onnxruntime", "openvino"],
        precisions=["fp32", "int8"],
        calibration=str(folder / "real.safetensors"),
        timed=False,
    )
    statuses = {variant.name: variant.verdict for variant in bundle.manifest.variants}
    for name, verdict in statuses.items():
        if "fp32" in name:
            assert verdict.status == "passed", f"{name}: {verdict.reason}"
    return folder


@pytest.mark.slow
def test_everything_that_a_signature_file_can_say_becomes_a_proven_bundle(ghost: Path) -> None:
    module = Ghost().eval()
    with open_runner(ghost / "bundle") as runner:
        given = runner.signature.example(3)
        made = runner.run(given)["image"]
        # The default of the time is what is said to be one.
        rest = {name: values for name, values in given.items() if name != "time"}
        half = given | {"time": np.full(3, 0.5, np.float32)}
        np.testing.assert_array_equal(runner.run(rest)["image"], runner.run(half)["image"])
    noise = torch.from_numpy(gaussian(given["seed"], 192 + 16 + 64))
    z, coarse, fine = noise.split([192, 16, 64], 1)
    place = torch.from_numpy(np.load(ghost / "place.npy")).float()
    with torch.inference_mode():
        wanted = module(
            z.reshape(-1, 3, 8, 8),
            layers=[coarse.reshape(-1, 1, 4, 4), fine.reshape(-1, 1, 8, 8)],
            start=torch.from_numpy(given["source"]).permute(0, 3, 1, 2) / 127.5 - 1,
            cond={
                **{name: torch.from_numpy(given[name]) for name in ("pose", "depth", "words")},
                "place": place.expand(3, 8, 8),
            },
            time=torch.from_numpy(given["time"]),
            scale=torch.tensor(GHOST["constants"]["scale"]),
            step=torch.full((3,), 3),
            strength=0.25,
            mode="ghost",
            extra=None,
            gate=torch.tensor(GHOST["constants"]["gate"]),
        )
    pixels = (wanted * 255).permute(0, 2, 3, 1).numpy()
    assert made.shape == (3, 8, 8, 4)
    assert np.abs(made - pixels).max() <= 1
    assert pixels.std() > 20


@pytest.mark.slow
def test_pictures_with_alpha_come_from_files_and_go_to_files(ghost: Path, tmp_path: Path) -> None:
    with open_runner(ghost / "bundle") as runner:
        given = runner.signature.example(2)
        wanted = runner.run({**given, "source": given["source"][[0, 0]]})["image"]
    for name, values in given.items():
        np.save(tmp_path / f"{name}.npy", values)
    Image.fromarray(given["source"][0]).save(tmp_path / "start.png")
    fields = {name: str(tmp_path / f"{name}.npy") for name in ("pose", "depth", "words", "time")}
    fields |= {"seed": ",".join(map(str, given["seed"])), "source": str(tmp_path / "start.png")}
    for file, picture in zip(generate(ghost / "bundle", fields, tmp_path / "made"), wanted, strict=True):
        with Image.open(file) as image:
            assert image.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(image), picture)
    (grid,) = generate(ghost / "bundle", fields, tmp_path / "grid.png")
    with Image.open(grid) as image:
        np.testing.assert_array_equal(np.asarray(image)[:8, :8], wanted[0])


@pytest.mark.slow
def test_conditions_travel_to_a_server(ghost: Path, tmp_path: Path) -> None:
    deploy(ghost / "bundle", to=tmp_path / "models", name="ghost", variant="generator.fp32.onnx")
    install()
    with (
        open_runner(ghost / "bundle", "generator.fp32.onnx") as here,
        EmbeddedServer(tmp_path / "models", log=tmp_path / "server.log") as server,
        open_runner(f"{server.grpc_url}/ghost") as there,
    ):
        given = here.signature.example(5)
        made, wanted = there.run(given)["image"], here.run(given)["image"]
        load = Requests(there.signature, first_seed=0).take(3)
        assert there.run(load)["image"].shape == (3, 8, 8, 4)
    assert np.abs(made.astype(int) - wanted).max() <= 1


def transformer() -> Generator:
    """A transformer of diffusers that attends to a sequence, part of which a mask leaves out, and makes RGBA."""

    def make() -> nn.Module:
        from diffusers import Transformer2DModel

        return Transformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            norm_num_groups=2,
            cross_attention_dim=12,
            num_layers=1,
        )

    sequence = {"role": "condition", "argument": "encoder_hidden_states", "shape": [5, 12]}
    mask = {"value": [1, 1, 1, 0, 0], "dtype": "FP32", "per_picture": True}
    signature = {
        "inputs": [{"role": "seed", "shape": [4, 8, 8]}, sequence],
        "output": {"height": 8, "width": 8, "channels": 4, "range": [-3, 3], "select": "sample"},
        "constants": {"encoder_attention_mask": mask},
    }
    return Generator(make, signature, "proj_out")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Transformer2DModelOutput:FutureWarning")  # diffusers warns of itself
def test_a_published_denoiser_becomes_a_proven_bundle(tmp_path: Path) -> None:
    """The others of diffusers are in the zoo, whose test does the same and more."""
    torch.manual_seed(0)
    generator = transformer()
    bundle = litho.export_model(
        generator.make().eval(),
        signature=generator.signature,
        to=tmp_path / "transformer",
        runtimes=["onnxruntime", "openvino"],
        timed=False,
    )
    verdicts = {variant.name: variant.verdict for variant in bundle.manifest.variants}
    assert {name: (one.status, one.reason) for name, one in verdicts.items()} == dict.fromkeys(
        verdicts, ("passed", "")
    )
    assert len(verdicts) == 2
