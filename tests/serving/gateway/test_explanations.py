"""Explanations are read from the repository, and only as the manifest lists them."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from litho.bundle import Bundle
from litho.bundle.explanation import DOCUMENT_PATH, MAX_FILES_BYTES
from litho.errors import BundleError, IntegrityError
from litho.serving.gateway.explanations import Explanations
from litho.serving.gateway.served_models import Served

from .conftest import explain_model


def _served(bundle: Path, **others: Any) -> Served:
    """What is known of the served model of a repository, without a server."""
    facts = SimpleNamespace(checkpoint_sha256=Bundle.load(bundle).manifest.checkpoint_sha256)
    return cast("Served", SimpleNamespace(**{"name": "tiny", "version": 1, "facts": facts, **others}))


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A repository that a test may change; its model is explained."""
    shutil.copytree(repository, tmp_path / "models")
    explain_model(tmp_path / "models" / "tiny" / "1" / "bundle")
    return tmp_path / "models"


def test_a_model_is_explained_by_its_own_version_only(copy: Path) -> None:
    bundle = copy / "tiny" / "1" / "bundle"
    explanations = Explanations(copy)
    assert explanations.has(_served(bundle))
    answer = json.loads(explanations.answer(_served(bundle)) or b"")
    assert answer["explanation"] == json.loads((bundle / DOCUMENT_PATH).read_text())
    for other in ({"version": 2}, {"name": "other"}, {"name": "../models/tiny"}, {"name": "/"}):
        assert not explanations.has(_served(bundle, **other))
        assert explanations.answer(_served(bundle, **other)) is None
    assert not Explanations(None).has(_served(bundle))
    assert Explanations(None).answer(_served(bundle)) is None


def test_what_the_manifest_does_not_list_so_is_not_handed_out(copy: Path) -> None:
    bundle = copy / "tiny" / "1" / "bundle"
    served = _served(bundle)
    picture = bundle / "explanation" / "start-0.png"
    kept = picture.read_bytes()
    picture.write_bytes(kept[::-1])
    with pytest.raises(IntegrityError, match="has changed"):
        Explanations(copy).answer(served)
    picture.write_bytes(kept)
    assert Explanations(copy).answer(served) is not None
    other = _served(bundle, facts=SimpleNamespace(checkpoint_sha256="0" * 64))
    with pytest.raises(IntegrityError, match="other weights"):
        Explanations(copy).answer(other)
    manifest = bundle / "manifest.json"
    document = json.loads(manifest.read_text())
    document["files"][DOCUMENT_PATH]["size_bytes"] = MAX_FILES_BYTES
    manifest.write_text(json.dumps(document))
    with pytest.raises(IntegrityError, match="more than"):
        Explanations(copy).answer(served)
    manifest.write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        Explanations(copy).answer(served)


def test_a_new_explanation_replaces_the_one_that_is_kept(copy: Path) -> None:
    bundle = copy / "tiny" / "1" / "bundle"
    explanations, served = Explanations(copy), _served(bundle)
    first = explanations.answer(served)
    assert explanations.answer(served) is first
    explain_model(bundle, seed=5)
    assert json.loads(explanations.answer(served) or b"")["explanation"]["starting_points"][0]["seed"] == 5
