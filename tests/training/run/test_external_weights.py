import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from litho.errors import CheckpointError
from litho.training.models import family
from litho.training.run.external_weights import read_external_weights
from litho.training.run.snapshot import fit_weights


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return family("cgan").generator(classes=2, width=2, latent_size=3)


@pytest.mark.parametrize("wrap", [None, "g_ema", "generator", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_weights_are_found_and_unwrapped(generator, tmp_path: Path, wrap: str | None, prefix: str) -> None:
    weights = {prefix + name: value for name, value in generator.state_dict().items()}
    torch.save({wrap: weights, "step": 3} if wrap else weights, tmp_path / "theirs.pt")
    fresh = family("cgan").generator(**generator.architecture)
    fit_weights(fresh, read_external_weights(tmp_path / "theirs.pt"), "theirs.pt")
    for name, value in generator.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)


def test_safetensors_and_half_precision(generator, tmp_path: Path) -> None:
    weights = {name: v.half() if v.is_floating_point() else v for name, v in generator.state_dict().items()}
    save_file(weights, tmp_path / "theirs.safetensors")
    fit_weights(generator, read_external_weights(tmp_path / "theirs.safetensors"), "theirs")
    assert generator.project.weight.dtype == torch.float32


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "ran")}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    for name in ("evil.pt", "plain.pt"):
        with pytest.raises(CheckpointError, match="not a file of plain weights") as caught:
            read_external_weights(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "a list"), ({"epoch": 3}, "a mapping with the keys epoch"), ({}, "keys none")],
)
def test_a_file_without_weights(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "theirs.pt")
    with pytest.raises(CheckpointError, match=message):
        read_external_weights(tmp_path / "theirs.pt")


def test_a_file_that_is_missing_or_cut_short(generator, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_external_weights(tmp_path / "none.pt")
    torch.save(generator.state_dict(), tmp_path / "theirs.pt")
    (tmp_path / "theirs.pt").write_bytes((tmp_path / "theirs.pt").read_bytes()[:500])
    with pytest.raises(CheckpointError, match="not a file of plain weights"):
        read_external_weights(tmp_path / "theirs.pt")


class Net(nn.Module):
    """A convolution in a part, and a layer of its own."""

    def __init__(self, part: str = "part") -> None:
        super().__init__()
        self.add_module(part, nn.Sequential(nn.Conv2d(1, 2, 3)))
        self.last = nn.Linear(2, 3)


def under(prefix: str, weights: dict[str, Tensor], factor: float = 1) -> dict[str, Tensor]:
    return {prefix + name: value * factor for name, value in weights.items()}


def loaded(folder: Path, content: Any, module: nn.Module) -> dict[str, Tensor]:
    """The weights of a module after those of a checkpoint were loaded."""
    torch.save(content, folder / "theirs.ckpt")
    fit_weights(module, read_external_weights(folder / "theirs.ckpt", module.state_dict().keys()), "theirs")
    return module.state_dict()


@pytest.mark.parametrize(
    "content",
    [
        lambda weights: {"params_ema": weights, "params": under("", weights, 2)},
        lambda weights: {"model": under("", weights, 2), "ema": {"decay": 0.9, "shadow": weights}},
        lambda weights: {**under("module.", weights), "n_averaged": torch.tensor(3)},
        lambda weights: under("_orig_mod.module._fsdp_wrapped_module.", weights),
        lambda weights: {name.replace("part.0.", "part.0._orig_mod."): one for name, one in weights.items()},
        lambda weights: {"state_dict": {**under("net.G.", weights), "net.D.weight": torch.ones(2)}},
        lambda weights: {"ema": under("ema_model.", weights) | under("online_model.", weights, 2)},
    ],
    ids=["basicsr", "shadow", "averaged model", "wrappers", "compiled part", "prefix", "prefix of averages"],
)
def test_weights_of_other_trainers_are_found(tmp_path: Path, content: Any) -> None:
    theirs = Net().state_dict()
    got = loaded(tmp_path, content(theirs), Net())
    assert all(torch.equal(got[name], value) for name, value in theirs.items())


def test_a_compiled_module_takes_plain_weights(tmp_path: Path) -> None:
    class Compiled(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.add_module("_orig_mod", layer)

    theirs, mine = Net(), Net()
    mine.add_module("last", Compiled(mine.last))
    assert torch.equal(loaded(tmp_path, theirs.state_dict(), mine)["last._orig_mod.bias"], theirs.last.bias)


def test_a_part_with_the_name_of_a_wrapper_keeps_it(tmp_path: Path) -> None:
    class Twice(Net):
        def __init__(self) -> None:
            super().__init__("module")
            self.add_module("0", nn.Conv2d(1, 2, 3))

    theirs = Twice().state_dict()
    got = loaded(tmp_path, under("module.", theirs), Twice())
    assert all(torch.equal(got[name], value) for name, value in theirs.items())


def test_weights_behind_several_prefixes_are_not_guessed(tmp_path: Path) -> None:
    weights = Net().state_dict()
    with pytest.raises(CheckpointError, match=r"behind several prefixes: 'a\.', 'b\.'; save those that"):
        loaded(tmp_path, under("a.", weights) | under("b.", weights), Net())


def test_weights_that_layers_share_are_in_a_file_once(tmp_path: Path) -> None:
    class Tied(Net):
        def __init__(self) -> None:
            super().__init__()
            self.again = self.last

    theirs, mine = Tied(), Tied()
    save_model(theirs, str(tmp_path / "w.safetensors"))
    fit_weights(mine, read_external_weights(tmp_path / "w.safetensors", mine.state_dict()), "w")
    assert torch.equal(mine.again.weight, theirs.last.weight)
    assert torch.equal(mine.last.weight, theirs.last.weight)


def test_what_a_file_has_instead_is_said(tmp_path: Path) -> None:
    weights = Net().state_dict()
    with pytest.raises(
        CheckpointError, match="contains 'epoch', which is a int, among weights; save these alone"
    ):
        loaded(tmp_path, {**weights, "epoch": 3}, Net())
    with pytest.raises(CheckpointError, match=r"first 'part\.0\.weight'; it has others, first 'c\.w'"):
        loaded(tmp_path, {"c.w": torch.ones(1)}, Net())
    (tmp_path / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(
        CheckpointError, match="is a pointer of Git LFS and not the file itself; fetch it: git lfs pull"
    ):
        read_external_weights(tmp_path / "w.safetensors")
