import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from litho.errors import CheckpointError
from litho.files import sha256
from litho.training.models import family
from litho.training.run.snapshot import (
    DataInfo,
    load_snapshot,
    save_snapshot,
)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return family("cgan").generator(classes=2, width=2, latent_size=3)


@pytest.fixture
def saved(generator, tmp_path: Path) -> Path:
    data = DataInfo(name="pets", count=9, licence="CC0-1.0", class_names=("cat", "dog"))
    save_snapshot(
        tmp_path / "run", generator, family="cgan", nimg=640, data=data, quality={"label_agreement": 0.5}
    )
    return tmp_path / "run"


def edit(run: Path, **changes: object) -> None:
    file = run / "snapshot.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def replace_weights(run: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, run / "snapshot.safetensors")
    edit(run, weights_sha256=sha256(run / "snapshot.safetensors"))


def test_what_was_saved_is_what_is_loaded(generator, saved: Path) -> None:
    snapshot = load_snapshot(saved)
    assert snapshot.info.nimg == 640
    assert snapshot.info.quality == {"label_agreement": 0.5}
    assert snapshot.info.signature.inputs[1].class_names == ("cat", "dog")
    loaded = snapshot.generator()
    assert not loaded.training
    assert loaded.architecture == generator.architecture
    for name, value in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
        assert loaded.state_dict()[name].device.type == "cpu"


def test_pictures_from_seed_and_from_latent(saved: Path) -> None:
    snapshot = load_snapshot(str(saved))
    assert [field.name for field in snapshot.picture().signature.inputs] == ["seed", "label", "truncation"]
    picture = snapshot.picture("latent")
    assert [field.name for field in picture.signature.inputs] == ["latent", "label", "truncation"]
    made = picture(torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(2))
    assert made.shape == (2, 32, 32, 1)


def test_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no snapshot.json; make one with 'litho train'"):
        load_snapshot(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(saved: Path, share: float) -> None:
    file = saved / "snapshot.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file"):
        load_snapshot(saved)


def test_one_changed_byte_of_the_weights(saved: Path) -> None:
    file = saved / "snapshot.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="has changed: its SHA-256 differs from"):
        load_snapshot(saved)


def test_missing_weights_file(saved: Path) -> None:
    (saved / "snapshot.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_snapshot(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema version 2, this litho reads up to 1"),
        ({"nimg": -1}, "not a valid snapshot description: nimg"),
        ({"surprise": 1}, "not a valid snapshot description: surprise"),
        ({"architecture": {"classes": {"nested": 1}}}, "not a valid snapshot description: architecture"),
    ],
)
def test_foreign_documents(saved: Path, change: dict[str, object], message: str) -> None:
    edit(saved, **change)
    with pytest.raises(CheckpointError, match=message):
        load_snapshot(saved)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\0"])
def test_a_document_that_is_none(saved: Path, content: str) -> None:
    (saved / "snapshot.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"snapshot\.json is not"):
        load_snapshot(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "vqgan"}, "does not describe a valid generator: unknown family 'vqgan'"),
        ({"architecture": {"colour": 3}}, "does not describe a valid generator: .*colour"),
        (
            {"architecture": {"classes": 2, "resolution": 33}},
            "does not describe a valid generator: resolution 33",
        ),
        ({"architecture": {"classes": -2}}, "does not describe a valid generator"),
        ({"architecture": {"classes": 2, "width": 10**18}}, "does not describe a valid generator"),
        ({"architecture": {"classes": 2, "width": 10**6}}, "weight '.*' in .* expected"),
    ],
)
def test_a_description_of_no_generator(saved: Path, change: dict[str, object], message: str) -> None:
    edit(saved, **change)
    with pytest.raises(CheckpointError, match=message):
        load_snapshot(saved).generator()


def test_missing_and_foreign_weights_and_other_shapes(saved: Path) -> None:
    weights = load_file(saved / "snapshot.safetensors")
    replace_weights(saved, {name: value for name, value in weights.items() if name != "project.weight"})
    with pytest.raises(CheckpointError, match=r"lacks 1 of \d+ weights, first 'project.weight'"):
        load_snapshot(saved).generator()
    replace_weights(saved, {**weights, "extra": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="1 unknown weights, first 'extra'"):
        load_snapshot(saved).generator()
    replace_weights(saved, {**weights, "project.weight": torch.zeros(3)})
    with pytest.raises(CheckpointError, match=r"'project.weight' in .* is float32 of shape \(3,\); expected"):
        load_snapshot(saved).generator()
