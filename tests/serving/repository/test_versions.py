import json
import shutil
from pathlib import Path

import pytest

from litho.bundle import Bundle, sign_bundle
from litho.errors import DeployError
from litho.serving.repository.deploy import deploy
from litho.serving.repository.versions import (
    check_version,
    config_of_version,
    current,
    model_names,
    prune,
    serve_version,
    version_of,
    versions,
)

from ...attack.forge import flip
from ...signers import make_keys


@pytest.fixture
def model(bundle: Path, tmp_path: Path) -> Path:
    """A model with versions 1 to 3 of the same files; 3 is served."""
    path = deploy(Bundle.load(bundle), to=tmp_path / "models", name="tiny").path
    for version in (2, 3):
        shutil.copytree(path / "1", path / str(version))
        config = path / str(version) / "config.pbtxt"
        config.write_text(config.read_text().replace("versions: 1", f"versions: {version}"))
    serve_version(path, 3)
    return path


def test_a_version_is_served_with_its_own_configuration(model: Path) -> None:
    assert versions(model) == [1, 2, 3]
    assert version_of(config_of_version(model, 2)) == 2
    serve_version(model, 2)
    served = current(model)
    assert served is not None
    assert served.version == 2
    (model / "1" / "config.pbtxt").write_text("nonsense {")
    for version in (1, 7):
        with pytest.raises(
            DeployError, match=rf"version {version} of tiny cannot be served: .*config\.pbtxt"
        ):
            serve_version(model, version)
    assert current(model) == served


def test_only_the_oldest_versions_are_removed_and_none_that_is_needed(model: Path) -> None:
    assert prune(model, 3, {3}) == []
    assert prune(model, 1, {1, 3}) == [2]
    assert versions(model) == [1, 3]
    assert prune(model, 1, {3}) == [1]
    assert prune(model, 1, {3}) == []
    assert sorted(path.name for path in model.iterdir()) == ["3", "config.pbtxt", "warmup"]


def test_directories_that_are_being_written_are_no_models(model: Path) -> None:
    shutil.copytree(model, model.with_name(".other.partial-new-1"))
    assert model_names(model.parent) == ["tiny"]
    assert model_names(model.parent / "nowhere") == []


@pytest.mark.parametrize("damage", ["flipped", "lost", "no manifest"])
def test_a_damaged_version_is_named_with_what_is_damaged(damage: str, model: Path) -> None:
    assert isinstance(check_version(model, 1), Bundle)
    (graph,) = (model / "1" / "bundle").glob("*/*.onnx")
    if damage == "flipped":
        flip(graph)
    elif damage == "lost":
        graph.unlink()
    else:
        (model / "1" / "bundle" / "manifest.json").unlink()
    with pytest.raises(DeployError, match=r"version 1 of tiny is damaged: .*(onnx|manifest)") as refused:
        check_version(model, 1)
    assert "\n" not in str(refused.value)
    assert check_version(model, 2)


def test_a_version_that_asks_for_a_digital_signature_is_checked_with_its_key(
    bundle: Path, tmp_path: Path
) -> None:
    private, public = make_keys(tmp_path / "keys")
    path = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    sign_bundle(path, key=private)
    model = deploy(path, to=tmp_path / "models", name="tiny", require_signature=public).path
    assert check_version(model, 1)
    flip(model / "1" / "bundle" / "signed" / "manifest.json.sig")
    with pytest.raises(DeployError, match=r"version 1 of tiny is damaged: .* signed"):
        check_version(model, 1)


def test_a_graph_alone_is_compared_with_its_record(bundle: Path, tmp_path: Path) -> None:
    model = deploy(Bundle.load(bundle), to=tmp_path, name="tiny", flavour="onnxruntime").path
    assert check_version(model, 1) is None
    record = model / "1" / "record.json"
    assert list(json.loads(record.read_text())) == ["model.onnx"]
    flip(model / "1" / "model.onnx")
    with pytest.raises(DeployError, match=r"version 1 of tiny is damaged: .*model\.onnx has changed"):
        check_version(model, 1)
    record.write_text("[]")
    with pytest.raises(DeployError, match=r"record\.json is not a record"):
        check_version(model, 1)
    record.unlink()  # as an older litho wrote it
    assert check_version(model, 1) is None
