"""Versions that a repository must serve: what is pinned, and every way to differ from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from litho.errors import SchemaError, TrustError
from litho.serving.repository.pins import ModelPin, Pins, check_pins, pin_of, read_pins


@pytest.fixture
def models(repository: Path, tmp_path: Path) -> Path:
    """A copy of the repository, which a test may change."""
    return Path(shutil.copytree(repository, tmp_path / "models"))


def test_a_pin_has_the_hashes_of_the_files(models: Path) -> None:
    pin = pin_of(models, "tiny")
    check_pins(models, [pin])
    shared = models / "tiny"
    for path, digest in (
        (shared / "config.pbtxt", pin.config_sha256),
        (shared / str(pin.version) / "bundle" / "manifest.json", pin.files_sha256),
    ):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_whatever_else_is_served_is_refused_by_name(models: Path) -> None:
    pin = pin_of(models, "tiny")
    with pytest.raises(TrustError, match="model 'tiny', which is not pinned"):
        check_pins(models, [])
    with pytest.raises(TrustError, match=r"model 'other' is pinned, and .* does not serve it"):
        check_pins(models, [pin, pin.model_copy(update={"name": "other"})])
    with pytest.raises(TrustError, match="serves version 1 of tiny, and version 2 is pinned"):
        check_pins(models, [pin.model_copy(update={"version": 2})])
    with pytest.raises(TrustError, match=r"the list of files of version 1 of tiny .* has SHA-256"):
        check_pins(models, [pin.model_copy(update={"files_sha256": "0" * 64})])
    with (models / "tiny" / "config.pbtxt").open("a") as config:
        config.write("\n")
    with pytest.raises(TrustError, match=r"the config\.pbtxt of version 1 of tiny"):
        check_pins(models, [pin])


def test_the_document_is_that_of_the_chart(models: Path, tmp_path: Path) -> None:
    pins = Pins(models=(pin_of(models, "tiny", 0.05),))
    document = {"schema_version": 1, "models": [one.model_dump(by_alias=True) for one in pins.models]}
    folder = tmp_path / "config" / "..data"
    folder.mkdir(parents=True)
    (folder / "models.json").write_text(json.dumps(document))
    (tmp_path / "config" / "models.json").symlink_to("..data/models.json")
    assert read_pins(tmp_path / "config" / "models.json") == pins, "Kubernetes mounts files as links"


@pytest.mark.parametrize("change", [{"version": 0}, {"configSha256": "x"}, {"other": 1}])
def test_another_document_is_refused(models: Path, tmp_path: Path, change: dict[str, object]) -> None:
    pin: ModelPin = pin_of(models, "tiny")
    document = {"schema_version": 1, "models": [{**pin.model_dump(by_alias=True), **change}]}
    (tmp_path / "models.json").write_text(json.dumps(document))
    with pytest.raises(SchemaError, match="is not a list of pinned models"):
        read_pins(tmp_path / "models.json")
