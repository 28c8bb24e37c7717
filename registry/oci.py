"""OCI registries (Docker's registry, GHCR, ECR, Harbor, Zot, ...): one artefact is one bundle or run.

    artifactType    application/vnd.litho.bundle.v1 or application/vnd.litho.run.v1
    config          the package, application/vnd.litho.package.v1+json
    layers          one a file, as it is; annotation org.opencontainers.image.title is its path

The same files give the same digest. Other clients read such an artefact: `oras pull` writes the same folder. The
manifest is written last, so that a tag never names an upload that is not finished.

Source: OCI image specification 1.1, section "Guidelines for Artifact Usage"; OCI distribution specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field as Constraint, ValidationError

from ..bundle.json_documents import parse_json
from ..errors import IntegrityError, RegistryError, UsageError
from ..extras import require
from ..reporting.progress import Progress
from .address import OciAddress
from .base import PIECE_BYTES, Held, Pushed, after, cut_short, unfinished
from .oci_client import Client, lost
from .package import MOST_FILES, PACKAGE_NAME, parse_package
from .packing import Upload

__all__ = ["ARTIFACT_TYPES", "MANIFEST_TYPE", "PACKAGE_TYPE", "Oci"]

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
PACKAGE_TYPE = "application/vnd.litho.package.v1+json"
ARTIFACT_TYPES = {"bundle": "application/vnd.litho.bundle.v1", "run": "application/vnd.litho.run.v1"}

_TITLE = "org.opencontainers.image.title"
_DESCRIPTION = "org.opencontainers.image.description"
_MOST_MANIFEST_BYTES = 4 << 20
"""Registries have to take manifests of 4 MiB, and need not take larger ones."""

_TYPES = {
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
    ".png": "image/png",
    ".onnx": "application/vnd.onnx",
    ".safetensors": "application/vnd.safetensors",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Descriptor(_Part):
    mediaType: str
    digest: Annotated[str, Constraint(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: Annotated[int, Constraint(ge=0)]
    annotations: dict[str, str] | None = None


class _Manifest(_Part):
    schemaVersion: Literal[2]
    config: _Descriptor
    layers: Annotated[tuple[_Descriptor, ...], Constraint(max_length=MOST_FILES + 64)]


class Oci:
    """A repository of an OCI registry.

    Args:
        address: of an artefact in it.
        plain_http: speak to another machine without TLS.
    """

    def __init__(self, address: OciAddress, *, plain_http: bool = False) -> None:
        self._address, self._plain_http = address, plain_http

    def open(self) -> _Artifact:
        """The artefact that the address names.

        Raises:
            RegistryError: there is none, or it is none of litho.
            IntegrityError: it is not what the digest in the address names.
        """
        client = Client(self._address, "pull from", plain_http=self._plain_http)
        try:
            return self._open(client)
        except BaseException:
            client.close()
            raise

    def _open(self, client: Client) -> _Artifact:
        answer = client.request(
            "GET", f"manifests/{self._address.reference}", headers={"Accept": MANIFEST_TYPE}
        )
        content = _read_all(answer, _MOST_MANIFEST_BYTES, f"the manifest of {self._address}")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if self._address.digest not in (None, digest):
            raise IntegrityError(
                f"{self._address.host} answers with {digest} to {self._address}; do not use this registry"
            )
        try:
            manifest = _Manifest.model_validate(parse_json(content.decode()) | {})
        except (ValidationError, ValueError, TypeError):
            manifest = None
        if manifest is None or manifest.config.mediaType != PACKAGE_TYPE:
            raise RegistryError(
                f"{self._address} is not a bundle or run of litho but something else; push one with 'litho push'"
            )
        return _Artifact(str(self._address.pinned(digest)), client, manifest)

    def push(self, uploads: Sequence[Upload], title: str, progress: Progress) -> Pushed:
        """Send every content that the registry lacks, then the manifest.

        Raises:
            UsageError: the address names a digest, which nobody can choose.
            RegistryError: the registry cannot be reached or refuses.
        """
        if self._address.digest is not None:
            raise UsageError(f"{self._address} names a digest, which follows from what is pushed; name a tag")
        content = self._manifest(uploads, title)
        sent = present = 0
        total = sum(upload.record.size_bytes for upload in uploads) or 1
        with closing(Client(self._address, "push to", plain_http=self._plain_http)) as client:
            for upload in uploads:
                progress(f"sending {upload.path}", (sent + present) / total)
                if _send(client, upload):
                    sent += upload.record.size_bytes
                else:
                    present += upload.record.size_bytes
            headers = {"Content-Type": MANIFEST_TYPE}
            client.request(
                "PUT", f"manifests/{self._address.reference}", headers=headers, data=content
            ).close()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Pushed(str(self._address.pinned(digest)), sent, present)

    def _manifest(self, uploads: Sequence[Upload], title: str) -> bytes:
        """The content of the manifest of an upload; it has no date, so that the same files have the same digest."""
        config = next(upload for upload in uploads if upload.path == PACKAGE_NAME)
        assert isinstance(config.source, bytes), "packing made it a moment ago"
        kind = parse_package(self._address, config.source).kind
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": ARTIFACT_TYPES[kind],
            "config": _descriptor(config, PACKAGE_TYPE),
            "layers": [
                {**_descriptor(upload, _media_type(upload.path)), "annotations": {_TITLE: upload.path}}
                for upload in uploads
            ],
            "annotations": {_DESCRIPTION: title},
        }
        require("jsonschema", "registry").validate(manifest, require("oras.schemas", "registry").manifest)
        return json.dumps(manifest, indent=2).encode()


class _Artifact:
    """One artefact."""

    def __init__(self, address: str, client: Client, manifest: _Manifest) -> None:
        self.address, self._client = address, client
        self.files = {
            path: Held(layer.size, layer.digest.removeprefix("sha256:"), layer.digest)
            for layer in manifest.layers
            if (path := (layer.annotations or {}).get(_TITLE))
        }

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def stream(self, path: str, start: int) -> Iterator[bytes]:
        """The content of a listed file from byte `start` on."""
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        answer = self._client.request(
            "GET", f"blobs/{self.files[path].key}", headers=headers, allowed=(404, 416)
        )
        try:
            if answer.status_code == 404:
                raise unfinished(self.address, path)
            if answer.status_code == 416:
                raise cut_short(self.address, path, start)
            yield from after(answer.iter_content(PIECE_BYTES), start if answer.status_code == 200 else 0)
        except Exception as error:
            if type(error).__module__.startswith(("requests", "urllib3", "http")):
                raise lost(error) from error
            raise
        finally:
            answer.close()


def _send(client: Client, upload: Upload) -> bool:
    """Send a content, unless the registry has it."""
    digest = f"sha256:{upload.record.sha256}"
    held = client.request("HEAD", f"blobs/{digest}", allowed=(404,))
    held.close()
    if held.status_code != 404:
        return False
    begun = client.request("POST", "blobs/uploads/", headers={"Content-Length": "0"})
    begun.close()
    where = client.location(begun)
    where += f"{'&' if '?' in where else '?'}digest={digest}"
    headers = {"Content-Type": "application/octet-stream"}
    with upload.open() as source:
        # An empty file would be sent without a length.
        data = source if upload.record.size_bytes else b""
        # The registry compares what arrives with the digest.
        client.request("PUT", where, headers=headers, data=data).close()
    return True


def _descriptor(upload: Upload, media_type: str) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{upload.record.sha256}",
        "size": upload.record.size_bytes,
    }


def _media_type(path: str) -> str:
    return next((kind for end, kind in _TYPES.items() if path.endswith(end)), "application/octet-stream")


def _read_all(answer: Any, most: int, what: str) -> bytes:
    content = b""
    try:
        for chunk in answer.iter_content(PIECE_BYTES):
            content += chunk
            if len(content) > most:
                raise RegistryError(f"{what} has more than {most} bytes; it is none of litho")
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(f"the connection ended while {what} was read; try again") from error
    finally:
        answer.close()
    return content
