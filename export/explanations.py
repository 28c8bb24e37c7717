"""The explanation of a run, copied into its bundles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..bundle import Bundle, create_bundle
from ..bundle.explanation import DOCUMENT_NAME, DOCUMENT_PATH, FOLDER, is_explanation_file, read_explanation
from ..bundle.manifest import FileRecord

__all__ = ["carries", "carry", "explanation_of", "left_out"]


def explanation_of(run: Path, weights_sha256: str) -> dict[str, bytes]:
    """The explanation that `litho evaluate --explain` wrote into a run.

    Args:
        run: the run's directory.
        weights_sha256: hash of the weights that are exported.

    Returns:
        Path in the bundle -> content; empty if there is none, or if it is of other weights.

    Raises:
        SchemaError: it is damaged or of a newer litho.
        IntegrityError: a file is missing or is not an ordinary one.
    """
    folder = run / FOLDER
    if not (folder / DOCUMENT_NAME).exists():
        return {}
    explanation, files = read_explanation(folder)
    if explanation.weights_sha256 != weights_sha256:
        return {}
    return {f"{FOLDER}/{name}": content for name, content in files.items()}


def left_out(source: str, bundle: Bundle) -> str | None:
    """Why the bundle of a run that has an explanation carries none, in one line; None if nothing is left out.

    Args:
        source: a run's directory, or the name of a user's own module.
        bundle: that was made from it.
    """
    if not (Path(source) / FOLDER / DOCUMENT_NAME).exists() or DOCUMENT_PATH in bundle.manifest.files:
        return None
    return (
        f"the explanation in {Path(source) / FOLDER} is left out: it is of other weights, or of pictures with another"
        " input, size or fixed value; for new weights run 'litho evaluate --explain' again"
    )


def carries(bundle: Bundle, files: Mapping[str, bytes]) -> bool:
    """Whether the explanation in a bundle consists of just these files, path in the bundle -> content."""
    listed = {path: record for path, record in bundle.manifest.files.items() if is_explanation_file(path)}
    return listed == {path: FileRecord.of(content) for path, content in files.items()}


def carry(bundle: Bundle, files: Mapping[str, bytes]) -> None:
    """Replace the explanation in a bundle; everything else stays, but for a digital signature, which no longer holds.

    Args:
        bundle: that is on disk.
        files: path in the bundle -> content; empty to remove the explanation.
    """
    manifest = bundle.manifest
    with create_bundle(bundle.path) as writer:
        for path in manifest.files:
            if not is_explanation_file(path):
                writer.copy(bundle, path)
        for path, content in files.items():
            writer.add(path, content)
        writer.finish(
            **{name: getattr(manifest, name) for name in type(manifest).model_fields if name != "files"}
        )
