"""A user's own module: made from a reference, given weights, and turned into seed in, pixels out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import litho
from litho.errors import CheckpointError, ExportError, LithoError, UsageError
from litho.export.source import Source, open_source
from litho.files import sha256
from litho.runners import open_runner
from litho.signature.noise import gaussian

OUTPUT = {"height": 4, "width": 4, "channels": 3}

SIGNATURE: dict[str, Any] = {"inputs": [{"role": "seed", "shape": [4]}], "output": OUTPUT}

PICTURE = {"height": 16, "width": 16, "channels": 3}

RESIZABLE: dict[str, Any] = {
    "inputs": [{"role": "image", **PICTURE}],
    "output": PICTURE,
    "sides": {"least": 8, "most": 32, "divisible_by": 2},
}


class Painter(nn.Module):
    """Paints in [-1, 1], or in what a test asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3 * 4 * 4)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(7))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(z)).reshape(-1, 3, 4, 4)


class Adding(nn.Module):
    """Adds what it is given to a picture in [0, 1], and gives it in an object."""

    def paint(
        self, strength: float, *, picture: torch.Tensor, fine: torch.Tensor, coarse: torch.Tensor
    ) -> Any:
        assert fine.shape[1:] == (1, 4, 4)
        assert coarse.shape[1:] == (1,)
        assert picture.min() >= 0
        noise = strength * fine + strength * coarse[:, :, None, None]
        return SimpleNamespace(sample=(picture + noise).clamp(0, 1), others=3)


class Halving(nn.Module):
    """Halves and doubles a picture; what is built in adds to it, or decides about it."""

    def __init__(self, built_in: str = "nothing") -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.ConvTranspose2d(3, 3, 4, 2, 1))
        self.built_in = built_in

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        if self.built_in == "chunk":
            upper, lower = source.chunk(2, dim=2)
            left, right = torch.cat((lower, upper), dim=2).split(source.shape[3] // 2, dim=3)
            source = torch.cat((right, left), dim=3)
        images = torch.tanh(self.layers(source))
        if self.built_in == "branch":
            return images if source.shape[2] > 20 else -images
        return images + torch.zeros(1, 3, 16, 16) if self.built_in == "size" else images


def run(source: Source, inputs: dict[str, Any]) -> np.ndarray:
    """The pictures of a source in PyTorch."""
    checked = source.pipeline.signature.check(inputs)
    with torch.inference_mode():
        return source.pipeline.model(*map(torch.from_numpy, checked.values())).numpy()


@pytest.mark.slow
def test_a_module_becomes_a_proven_bundle_and_makes_the_pictures_that_it_makes(tmp_path: Path) -> None:
    painter = Painter().eval()
    bundle = litho.export_model(
        painter, signature={**SIGNATURE, "licence": "MIT"}, to=tmp_path / "painter", timed=False
    )
    assert [variant.verdict.status for variant in bundle.manifest.variants] == ["passed"]
    assert bundle.manifest.licence == "MIT"
    assert bundle.manifest.family.endswith("test_adapter:Painter")
    seeds = np.array([0, 7, 2**63 - 1])
    with torch.inference_mode():
        floats = painter(torch.from_numpy(gaussian(seeds, 4)))
    wanted = ((floats + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    with open_runner(bundle.path) as runner:
        assert np.abs(runner.run({"seed": seeds})["image"] - wanted).max() <= 1


@pytest.mark.slow
def test_a_changed_module_is_exported_again(tmp_path: Path) -> None:
    first, second = Painter().eval(), Painter().eval()
    second.layer.bias.data += 1
    bundles = [
        litho.export_model(module, signature=SIGNATURE, to=tmp_path / "b", replace=True, timed=False)
        for module in (first, second)
    ]
    assert bundles[0].manifest.checkpoint_sha256 != bundles[1].manifest.checkpoint_sha256
    assert bundles[0].manifest.files["probes.safetensors"] != bundles[1].manifest.files["probes.safetensors"]


def test_ranges_arguments_constants_and_several_noises_reach_the_module() -> None:
    signature = {
        "inputs": [
            {"role": "seed", "noises": {"coarse": [1], "fine": [1, 4, 4]}},
            {"role": "image", **OUTPUT, "range": [0, 1], "argument": "picture"},
        ],
        "output": {**OUTPUT, "range": [0, 1], "select": "sample"},
        "constants": {"strength": 0.25},
        "method": "paint",
    }
    source = open_source(Adding().eval(), signature=signature)
    pictures = source.pipeline.signature.example(5)["source"]
    seeds = np.arange(5)
    noise = gaussian(seeds, 17)
    added = 0.25 * (noise[:, 1:].reshape(-1, 4, 4, 1) + noise[:, :1, None, None])
    wanted = np.clip(pictures / 255 + added, 0, 1) * 255
    given = run(source, {"seed": seeds, "source": pictures})
    assert np.abs(given - wanted).max() <= 1
    latent = open_source(Adding().eval(), signature=signature, input="latent")
    assert latent.pipeline.signature.inputs[0].shape == (17,)
    assert np.abs(run(latent, {"latent": noise, "source": pictures}) - wanted).max() <= 1


class Told(nn.Module):
    """Gives back, as a picture, the sum of everything that it is given."""

    def forward(self, z: torch.Tensor, more: dict[str, Any], steps: list[torch.Tensor], *, t: Any) -> Any:
        assert t.dtype == torch.int64
        extra = more["pose"].sum((1, 2)) + more["bias"] + t + sum(step.sum(1) for step in steps)
        return (z + extra[:, None, None, None]).expand(-1, 3, 4, 4)


def test_parts_of_arguments_lists_of_noise_and_tensors_reach_the_module() -> None:
    signature = {
        "inputs": [
            {"role": "seed", "noises": [[1, 4, 4], {"argument": "steps", "shapes": [[2], [3]]}]},
            {"role": "condition", "argument": "more.pose", "shape": [2, 2]},
        ],
        "output": {**OUTPUT, "range": [-100, 100]},
        "constants": {"more.bias": [0.5], "t": {"value": 7, "per_picture": True}},
    }
    source = open_source(Told().eval(), signature=signature)
    assert source.signature_sha256
    example = source.pipeline.signature.example(5)
    noise = gaussian(example["seed"], 21)
    extra = noise[:, 16:].sum(1) + example["pose"].sum((1, 2)) + 7.5
    wanted = (noise[:, :16].reshape(-1, 4, 4, 1) + extra[:, None, None, None] + 100) * 255 / 200
    assert np.abs(run(source, example) - wanted).max() <= 1


def test_hooks_of_the_module_itself_are_run() -> None:
    painter, plain = Painter().eval(), Painter().eval()
    plain.load_state_dict(painter.state_dict())
    painter.register_forward_pre_hook(lambda _, given: (given[0] * 0.5,))
    painter.register_forward_hook(lambda _, given, made: -made)
    wanted = -plain(torch.from_numpy(gaussian(np.arange(5), 4)) * 0.5)
    wanted = ((wanted + 1) * 127.5).permute(0, 2, 3, 1).detach().numpy()
    source = open_source(painter, signature=SIGNATURE)
    assert np.abs(run(source, {"seed": np.arange(5)}) - wanted).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_of_any_channels_go_in_and_out(channels: int) -> None:
    class Same(nn.Module):
        def forward(self, source: torch.Tensor) -> torch.Tensor:
            return source * 1

    picture = {**OUTPUT, "channels": channels, "range": [0, 1]}
    signature = {"inputs": [{"role": "image", **picture}], "output": picture}
    source = open_source(Same().eval(), signature=signature)
    example = source.pipeline.signature.example(5)
    assert example["source"].shape == (5, 4, 4, channels)
    assert np.array_equal(run(source, example), example["source"])


def test_a_latent_keeps_its_shape() -> None:
    class Decoder(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return z.tanh()

    signature = {"inputs": [{"role": "seed", "shape": [3, 4, 4]}], "output": OUTPUT}
    source = open_source(Decoder().eval(), signature=signature, input="latent")
    latents = gaussian(np.arange(2), 48).reshape(2, 3, 4, 4)
    wanted = ((np.tanh(latents) + 1) * 127.5).transpose(0, 2, 3, 1)
    assert np.abs(run(source, {"latent": latents}) - wanted).max() <= 1
    alone = {"inputs": [{"role": "latent", "shape": [3, 4, 4]}], "output": OUTPUT}
    assert (
        np.abs(run(open_source(Decoder().eval(), signature=alone), {"latent": latents}) - wanted).max() <= 1
    )
    with pytest.raises(UsageError, match="the signature has no input 'image'; give --input seed or latent"):
        open_source(Decoder().eval(), signature=signature, input="image")


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "pth", "bin"])
def test_weights_of_a_file_are_loaded_and_vouched_for(tmp_path: Path, suffix: str) -> None:
    theirs = Painter()
    theirs.layer.weight.data *= 2
    file = tmp_path / f"w.{suffix}"
    weights = {f"module.{name}": value for name, value in theirs.state_dict().items()}  # as a wrapper would
    save_file(weights, file) if suffix == "safetensors" else torch.save(weights, file)
    source = open_source(Painter, signature=SIGNATURE, weights=file)
    assert source.weights_sha256 == sha256(file)
    wanted = run(open_source(theirs.eval(), signature=SIGNATURE), {"seed": np.arange(3)})
    assert np.array_equal(run(source, {"seed": np.arange(3)}), wanted)


def test_a_module_called_module_keeps_its_name(tmp_path: Path) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = Painter()

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.module(z)

    save_file(Wrapped().state_dict(), tmp_path / "w.safetensors")
    open_source(Wrapped, signature=SIGNATURE, weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("layer.bias"), "lacks 1 of 2 weights, first 'layer.bias'"),
        (
            lambda weights: weights.update(extra=torch.zeros(1)),
            "1 unknown weights, first 'extra'",
        ),
        (
            lambda weights: weights.update({"layer.bias": torch.zeros(3)}),
            "'layer.bias' in .* of shape (3,)",
        ),
        (
            lambda weights: weights.update({"layer.bias": torch.zeros(48, dtype=torch.complex64)}),
            "is complex64",
        ),
        (
            lambda weights: weights.update({"layer.bias": torch.full((48,), torch.nan)}),
            "'layer.bias' holds NaN",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: Any, complaint: str) -> None:
    weights = Painter().state_dict()
    change(weights)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(LithoError) as refused:
        open_source(Painter, signature=SIGNATURE, weights=tmp_path / "w.safetensors")
    for part in complaint.split(" .* "):
        assert part in str(refused.value)


def test_no_code_of_a_weights_file_is_run_and_other_files_are_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"layer.weight": Payload()}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="not a file of plain weights"):
        open_source(Painter, signature=SIGNATURE, weights=tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UsageError, match=r"w\.pkl'; it takes a file ending in \.safetensors, \.pt"):
        open_source(Painter, signature=SIGNATURE, weights=tmp_path / "w.pkl")


def test_a_reference_is_imported_from_the_current_directory(folder: Path) -> None:
    package = folder / "nets_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, z):\n"
        "        return z.view(-1, 1, 2, 2)\n"
        "def build(size=2):\n"
        "    return Net().eval()\n"
    )
    signature = {**SIGNATURE, "output": {"height": 2, "width": 2, "channels": 1}}
    for reference in ("nets_of_mine.net:build", "nets_of_mine.net:Net"):
        source = open_source(reference, signature=signature)
        assert source.family == reference
        assert run(source, {"seed": np.arange(3)}).shape == (3, 2, 2, 1)


@pytest.mark.parametrize(
    ("content", "reference", "kind", "complaint"),
    [
        ("", "absent_net:build", UsageError, "there is no module 'absent_net' to import"),
        ("", "mine/net.py", UsageError, "expected FILE.py:NAME or PACKAGE.MODULE:NAME"),
        ("", "faulty:", UsageError, "invalid reference 'faulty:'"),
        ("", "absent.py:build", UsageError, "there is no file 'absent.py' to import"),
        ("", "faulty.py:build", UsageError, "'faulty' has no 'build' (it has: nothing to call)"),
        ("def build(): ...\n", "faulty:bild", UsageError, "'faulty' has no 'bild' (it has: build)"),
        ("build = 3\n", "faulty:build", UsageError, "is a int; it must be a callable"),
        (
            "def build(size): ...\n",
            "faulty:build",
            UsageError,
            "without arguments: missing a required argument: 'size'; give",
        ),
        (
            "def build(): return 3\n",
            "faulty:build",
            ExportError,
            "returned a int; it must return an nn.Module",
        ),
        (
            "def build():\n    return {}['x']\n",
            "faulty:build",
            ExportError,
            "KeyError: 'x' at faulty.py:2 `return",
        ),
        (
            "import absent_net\n",
            "faulty:build",
            ExportError,
            "No module named 'absent_net'; install what it needs",
        ),
        (
            "1 / 0\n",
            "faulty:build",
            ExportError,
            "ZeroDivisionError: division by zero at faulty.py:1 `1 / 0`",
        ),
        ("def build(:\n", "faulty:build", ExportError, "SyntaxError"),
        (
            "raise SystemExit(2)\n",
            "faulty:build",
            ExportError,
            "ended it with exit code 2; put what the script does under if __name__",
        ),
    ],
)
def test_a_reference_that_gives_no_module_is_answered_in_one_line(
    folder: Path, content: str, reference: str, kind: type[LithoError], complaint: str
) -> None:
    (folder / "faulty.py").write_text(content)
    with pytest.raises(kind) as refused:
        open_source(reference, signature=SIGNATURE)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_is_imported_from_its_file_beside_which_it_finds_its_own_imports(folder: Path) -> None:
    (folder / "parts_of_mine.py").write_text(
        "from torch import nn\nclass Part(nn.Module):\n    def forward(self, z):\n        return z.view(-1, 1, 2, 2)\n"
    )
    (folder / "file_of_mine.py").write_text("from parts_of_mine import Part\n")
    signature = {**SIGNATURE, "output": {"height": 2, "width": 2, "channels": 1}}
    source = open_source(f"{folder / 'file_of_mine.py'}:Part", signature=signature)
    assert source.family == "file_of_mine:Part"
    assert run(source, {"seed": np.arange(3)}).shape == (3, 2, 2, 1)


def test_a_file_with_the_name_of_another_module_is_not_mistaken_for_it(folder: Path) -> None:
    (folder / "json.py").write_text("def build(): ...\n")
    with pytest.raises(
        UsageError, match=r"json.py has the name of another module, 'json' .*; rename the file"
    ):
        open_source(f"{folder / 'json.py'}:build", signature=SIGNATURE)


@pytest.mark.slow
@pytest.mark.parametrize("built_in", ["nothing", "chunk"])
def test_a_module_that_takes_any_size_can_be_exported_for_all_of_them(folder: Path, built_in: str) -> None:
    bundle = litho.export_model(
        Halving(built_in).eval(), signature=RESIZABLE, to=folder / "free", size="free", timed=False
    )
    assert bundle.manifest.variants[0].verdict.status == "passed"
    with open_runner(bundle) as runner:
        assert runner.run(runner.signature.with_size(10, 22).example(3))["image"].shape == (3, 10, 22, 3)


def test_a_size_that_is_built_in_is_found() -> None:
    with pytest.raises(ExportError, match=r"fails on pictures of 8x8 .* in Halving at .*x\.shape\[2:\]"):
        open_source(Halving("size").eval(), signature=RESIZABLE, size="free")


@pytest.mark.slow
def test_a_branch_on_the_size_fails_the_gate(folder: Path) -> None:
    bundle = litho.export_model(
        Halving("branch").eval(), signature=RESIZABLE, to=folder / "free", size="free", timed=False
    )
    (variant,) = bundle.manifest.variants
    assert variant.verdict.status == "failed"
    assert "pictures of the usual size are right, those of another size are not" in variant.verdict.reason


def test_a_module_of_one_size_says_so() -> None:
    fixed = {key: value for key, value in RESIZABLE.items() if key != "sides"}
    with pytest.raises(UsageError, match="makes pictures of one size, 16x16; leave --size out"):
        open_source(Halving().eval(), signature=fixed, size=(8, 8))
