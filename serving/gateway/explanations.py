"""The explanations that the bundles of the served models carry, read from the server's repository on this machine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from ...bundle import Bundle
from ...bundle.explanation import (
    DOCUMENT_PATH,
    FOLDER,
    MAX_FILES_BYTES,
    Explanation,
    is_explanation_file,
    parse_explanation,
)
from ...bundle.signing import read_manifest
from ...errors import IntegrityError
from ...files import confined
from .served_models import Served

__all__ = ["Explanations"]

_MOST_ANSWERS = 4
"""Answers that are kept: each has up to `MAX_FILES_BYTES` of pictures."""


class Explanations:
    """Reads explanations; a file whose hash is not that of the manifest is never handed out.

    Args:
        repository: model repository of the server; None gives no explanations.
    """

    def __init__(self, repository: Path | None) -> None:
        self._repository = repository
        self._answers: dict[tuple[str, int, str], bytes] = {}

    def has(self, served: Served) -> bool:
        """Whether the bundle of a model carries an explanation; its files are not looked at."""
        folder = self._folder(served)
        return folder is not None and (folder / DOCUMENT_PATH).is_file()

    def answer(self, served: Served) -> bytes | None:
        """The answer for a model, JSON in UTF-8; None if its bundle carries no explanation. It takes some time.

        Raises:
            BundleError: a file is missing, has changed, is too large or is not an ordinary one, or the explanation is
                of other weights than the server says that it serves.
        """
        folder = self._folder(served)
        if folder is None or not (folder / DOCUMENT_PATH).is_file():
            return None
        # The manifest is small; it says whether the files have been replaced since.
        bundle = Bundle(folder, read_manifest(folder))
        record = bundle.manifest.files.get(DOCUMENT_PATH)
        key = served.name, served.version, "" if record is None else record.sha256
        if key not in self._answers:
            made = _answer(served, *_read(bundle, served.facts.checkpoint_sha256))
            while len(self._answers) >= _MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = made
        return self._answers[key]

    def _folder(self, served: Served) -> Path | None:
        """The served part of the bundle, in a version directory."""
        if self._repository is None:
            return None
        try:
            return confined(self._repository, f"{served.name}/{served.version}/bundle")
        except IntegrityError:
            return None


def _read(bundle: Bundle, checkpoint_sha256: str) -> tuple[Explanation, dict[str, bytes]]:
    listed = {path: one for path, one in bundle.manifest.files.items() if is_explanation_file(path)}
    if sum(record.size_bytes for record in listed.values()) > MAX_FILES_BYTES:
        raise IntegrityError(f"the explanation in {bundle.path} has more than {MAX_FILES_BYTES} bytes")
    explanation = parse_explanation(bundle.path / FOLDER, bundle.read(DOCUMENT_PATH))
    if not explanation.weights_sha256 == bundle.manifest.checkpoint_sha256 == checkpoint_sha256:
        raise IntegrityError(
            f"the explanation in {bundle.path} is of other weights than those that are served"
        )
    names = sorted(set(explanation.pictures()))
    return explanation, {name: bundle.read(f"{FOLDER}/{name}") for name in names}


def _answer(served: Served, explanation: Explanation, pictures: dict[str, bytes]) -> bytes:
    document = {
        "object": "model.explanations",
        "model": served.name,
        "version": served.version,
        "explanation": explanation.model_dump(mode="json"),
        "pictures": {
            name: f"data:image/png;base64,{base64.b64encode(content).decode()}"
            for name, content in pictures.items()
        },
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
