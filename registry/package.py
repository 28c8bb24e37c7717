"""The package of an upload: a document that lists every file by size and SHA-256.

Three files lie beside those that it lists, and are in no package themselves:

    litho-package.json        the package
    litho-package.json.sig    its digital signature, of a signed run: Ed25519, 64 bytes
    litho-package.json.pub    the public key of the signer, PEM; never trusted

A bundle is signed by its own manifest (`bundle.signing`). The model card and its pictures are made for readers; no
package lists them and `pull` leaves them where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import model_validator

from ..bundle.explanation import FOLDER as EXPLANATION
from ..bundle.json_documents import Document, parse_as
from ..bundle.manifest import FileRecord, Manifest
from ..bundle.names import Name
from ..bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME
from ..errors import IntegrityError
from .run_description import CHECKPOINT, SAMPLES, SNAPSHOT_NAME, WEIGHTS_NAME

__all__ = [
    "CARD_NAME",
    "MOST_FILES",
    "PACKAGE_NAME",
    "PACKAGE_SIGNATURE",
    "PACKAGE_SIGNER",
    "PICTURES",
    "RUN_DOCUMENTS",
    "Kind",
    "Package",
    "check_manifest",
    "parse_package",
]

SCHEMA_VERSION = 1
PACKAGE_NAME = "litho-package.json"
PACKAGE_SIGNATURE = f"{PACKAGE_NAME}.sig"
PACKAGE_SIGNER = f"{PACKAGE_NAME}.pub"
CARD_NAME = "README.md"
PICTURES = ("pictures/probes.png", "pictures/samples.png")
"""The picture of a card: of a bundle, of a run."""

MOST_FILES = 10_000
"""A bundle has tens of files, a run with a long list of samples hundreds."""

_RESERVED = (PACKAGE_NAME, PACKAGE_SIGNATURE, PACKAGE_SIGNER, CARD_NAME, *PICTURES)
_SIGNED = (MANIFEST_NAME, SIGNATURE_NAME, SIGNER_NAME)
RUN_DOCUMENTS = ("recipe.json", "stats.jsonl", "evaluation.json", "evaluation.html")
"""What a run may hold beside its snapshot and is worth sending. Logs of TensorBoard name the machine: not them."""

_RUN_FOLDERS = (f"{SAMPLES}/", f"{EXPLANATION}/", f"{CHECKPOINT}/")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@,-]{0,254}")

Kind = Literal["bundle", "run"]


class Package(Document):
    """What an upload holds; the same files give the same bytes.

    Args:
        schema_version: of this document.
        kind: "bundle" or "run".
        name: of the bundle or run.
        files: path inside the folder -> size and hash.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Kind
    name: Name
    files: dict[str, FileRecord]

    @model_validator(mode="after")
    def _safe(self) -> Package:
        if not self.files or len(self.files) > MOST_FILES:
            raise ValueError(f"{len(self.files)} files; allowed are 1 to {MOST_FILES}")
        self._check_kind()
        folded: set[str] = set()
        for path in self.files:
            parts = path.split("/")
            if not all(_PART.fullmatch(part) for part in parts) or path in _RESERVED:
                raise ValueError(f"path {path!r} is not allowed; allowed are relative paths of plain names")
            # Two files of a case-sensitive disk would be one on another.
            if path.lower() in folded:
                raise ValueError(f"path {path!r} is listed twice")
            folded.add(path.lower())
        folders = {str(parent).lower() for path in self.files for parent in PurePosixPath(path).parents}
        if clash := folded & folders:
            raise ValueError(f"path {min(clash)!r} is a file and a folder")
        return self

    def _check_kind(self) -> None:
        needed = (MANIFEST_NAME,) if self.kind == "bundle" else (SNAPSHOT_NAME, WEIGHTS_NAME)
        if absent := [path for path in needed if path not in self.files]:
            raise ValueError(f"a {self.kind} without {absent[0]}")
        # The manifest of a bundle says what belongs to it; what a run holds is known.
        own = (*needed, *RUN_DOCUMENTS)
        strange = [path for path in self.files if path not in own and not path.startswith(_RUN_FOLDERS)]
        if self.kind == "run" and strange:
            raise ValueError(f"a run with {strange[0]!r}")

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(record.size_bytes for record in self.files.values())

    def to_bytes(self) -> bytes:
        """The content of `litho-package.json`."""
        return f"{self.model_dump_json(indent=2)}\n".encode()


def parse_package(address: object, content: bytes) -> Package:
    """The package in the content of `litho-package.json` of an upload.

    Raises:
        SchemaError: it is none, or a newer litho wrote it.
    """
    return parse_as(
        Package, "the package of an upload", Path(f"{address}/{PACKAGE_NAME}"), content, SCHEMA_VERSION
    )


def check_manifest(package: Package, manifest: Manifest, address: object) -> None:
    """Compare the package of a bundle with the bundle's own manifest, which a digital signature covers.

    Raises:
        IntegrityError: they do not list the same files.
    """
    files = {path: record for path, record in package.files.items() if path not in _SIGNED}
    if (differing := _differing(files, manifest.files)) is not None:
        raise IntegrityError(
            f"{address}: {PACKAGE_NAME} and {MANIFEST_NAME} say different things of {differing!r}; do not use it"
        )
    if package.name != manifest.name:
        raise IntegrityError(
            f"{address}: {PACKAGE_NAME} calls the bundle {package.name!r}, {MANIFEST_NAME} {manifest.name!r};"
            " do not use it"
        )


def _differing(one: Mapping[str, FileRecord], other: Mapping[str, FileRecord]) -> str | None:
    paths: Iterable[str] = sorted({*one, *other})
    return next((path for path in paths if one.get(path) != other.get(path)), None)
