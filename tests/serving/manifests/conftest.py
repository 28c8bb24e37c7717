"""A signed repository of the tiny generator, the chart's objects, and what Kubernetes would say of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from litho.bundle import sign_bundle
from litho.errors import MissingExtra
from litho.serving.configuration.settings import ServingSettings
from litho.serving.manifests.rendering import find_helm, objects_in, render
from litho.serving.repository.deploy import deploy

from ...signers import make_keys

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]

SCHEMAS = Path(__file__).with_name("schemas")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Private and public key that the repository's bundle is signed with."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def signed_bundle(bundle: Path, keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, signed."""
    copy = tmp_path_factory.mktemp("signed") / "tiny"
    shutil.copytree(bundle, copy)
    sign_bundle(copy, key=keys[0])
    return copy


@pytest.fixture(scope="session")
def models(signed_bundle: Path, keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tiny generator in version 1, two instances."""
    folder = tmp_path_factory.mktemp("models")
    settings = ServingSettings(instance_count=2, warm_up=True)
    deploy(signed_bundle, to=folder, name="tiny", settings=settings, require_signature=keys[1])
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the pods' user reads it
    return folder


@pytest.fixture(scope="session")
def rendered() -> Render:
    """Renders the chart with these values, as a release `pictures` in the namespace `models`."""
    try:
        find_helm()
    except MissingExtra as error:
        pytest.skip(str(error))

    def make(**values: Any) -> Objects:
        return objects_in(render("pictures", "models", values))

    return make


def check_strictly(found: dict[str, Any], version: str) -> None:
    """Validate an object as an API server of this version does, and refuse unknown fields.

    Raises:
        jsonschema.ValidationError: it would not be taken.
    """
    kinds, registry = _custom(version), _definitions(version)
    if found["kind"] in kinds:
        assert "." in found["apiVersion"].partition("/")[0], "a kind of a group of its own"
        schema = kinds[found["kind"]]
    else:
        group, slash, number = found["apiVersion"].partition("/")
        name = f"{group.partition('.')[0]}-{number}" if slash else group
        schema = _read(version, f"{found['kind'].lower()}-{name}.json")
    jsonschema.Draft202012Validator(schema, registry=registry).validate(found)


@cache
def _read(version: str, name: str) -> Any:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    return json.loads((folder / name).read_text())


@cache
def _definitions(version: str) -> Registry[Any]:
    return Resource.from_contents(_read(version, "_definitions.json")) @ Registry()


@cache
def _custom(version: str) -> dict[str, Any]:
    kinds = {}
    for file in SCHEMAS.glob("*.json"):
        document = json.loads(file.read_text())
        for kind, name in document["kinds"].items():
            definitions = document["definitions"]
            head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
            kinds[kind] = {**head, "$ref": f"#/definitions/{name}", "definitions": definitions}
    return kinds
