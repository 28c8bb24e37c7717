"""Which versions a repository must serve: a document that whoever rolls it out keeps beside the repository.

A digital signature says who made a bundle, and not that it is the one that was to be served: an older one is signed as
well. Hashes of the configuration and of the version's list of files say that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from ...bundle.json_documents import Document, read_as
from ...errors import TrustError
from .versions import CONFIG_NAME, RECORD_NAME, existing, model_names

__all__ = ["ModelPin", "Pins", "check_pins", "pin_of", "read_pins"]

_SCHEMA = 1
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelPin(Document):
    """A served version of a model.

    Args:
        name: of the model.
        version: that is served.
        config_sha256: of the model's config.pbtxt, 64 hexadecimal digits; it decides about batching and instances.
        files_sha256: of the version's list of files with their hashes, which is bundle/manifest.json or record.json.
        queue_seconds: how long a request may wait on average before there are too few servers.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: str
    version: Annotated[int, Field(ge=1)]
    config_sha256: Annotated[_Hash, Field(alias="configSha256")]
    files_sha256: Annotated[_Hash, Field(alias="filesSha256")]
    queue_seconds: Annotated[float, Field(gt=0, alias="queueSeconds")] = 0.1


class Pins(Document):
    """The versions that a repository must serve, and no others.

    Args:
        schema_version: of this document.
        models: one pin for each model.
    """

    schema_version: int = _SCHEMA
    models: tuple[ModelPin, ...]


def read_pins(path: Path) -> Pins:
    """Read such a document.

    Raises:
        SchemaError: it is not one.
        IntegrityError: it is missing.
    """
    # Kubernetes mounts the files of a ConfigMap as links.
    return read_as(Pins, "a list of pinned models", path.resolve().parent, path.resolve().name, _SCHEMA)


def pin_of(repository: Path, name: str, queue_seconds: float = 0.1) -> ModelPin:
    """The pin of the version of a model that a repository serves now.

    Raises:
        DeployError: there is no such model, or litho did not deploy it.
    """
    deployment = existing(repository, name)
    version = deployment.path / str(deployment.version)
    listed = version / "bundle" / "manifest.json"
    files = listed if listed.is_file() else version / RECORD_NAME
    return ModelPin(
        name=name,
        version=deployment.version,
        config_sha256=_sha256(deployment.path / CONFIG_NAME),
        files_sha256=_sha256(files),
        queue_seconds=queue_seconds,
    )


def check_pins(repository: Path, pins: Sequence[ModelPin]) -> None:
    """Refuse a repository that serves anything but the pinned versions.

    Raises:
        TrustError: a model is missing, is not pinned, or is served in another version or with other files.
        DeployError: litho did not deploy a model.
    """
    names, wanted = set(model_names(repository)), {pin.name: pin for pin in pins}
    if missing := sorted(wanted.keys() - names):
        raise TrustError(
            f"model {missing[0]!r} is pinned, and {repository} does not serve it; deploy it, or pin anew with"
            " 'litho manifest'"
        )
    if strange := sorted(names - wanted.keys()):
        raise TrustError(
            f"{repository} serves model {strange[0]!r}, which is not pinned; undeploy it, or pin anew with"
            " 'litho manifest'"
        )
    for name, pin in sorted(wanted.items()):
        found = pin_of(repository, name)
        if found.version != pin.version:
            raise TrustError(
                f"{repository} serves version {found.version} of {name}, and version {pin.version} is pinned; go back"
                " with 'litho rollback', or pin anew with 'litho manifest'"
            )
        for what, mine, theirs in (
            (CONFIG_NAME, found.config_sha256, pin.config_sha256),
            ("list of files", found.files_sha256, pin.files_sha256),
        ):
            if mine != theirs:
                raise TrustError(
                    f"the {what} of version {pin.version} of {name} in {repository} has SHA-256 {mine[:12]}..., and"
                    f" {theirs[:12]}... is pinned; deploy it again and pin anew with 'litho manifest'"
                )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
