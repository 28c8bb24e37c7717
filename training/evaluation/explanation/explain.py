"""Explain a generator: examples for what it takes, and directions of its latent space."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ....bundle.explanation import Direction, Example, Explanation, StartingPoint
from ....errors import EvaluationError
from ....extras import require
from ....reporting.progress import Progress, quiet
from ....signature.fields import Role
from ...run.snapshot import SnapshotInfo
from ..context import EvaluationContext
from .labels import explain_labels
from .picture_files import PictureFiles
from .sources import explain_sources
from .strips import applies, explain_directions
from .words import explain_words

__all__ = ["explain"]

_Given = TypeVar("_Given")


def explain(
    context: EvaluationContext, info: SnapshotInfo, progress: Progress = quiet
) -> tuple[Explanation, dict[str, bytes]]:
    """Explain pictures of a generator.

    Args:
        context: of an evaluation.
        info: description of the snapshot.
        progress: called with the current step and the share of all that is done, 0 to 1.

    Returns:
        The document, and the content of its PNG files by name.

    Raises:
        MissingExtra: captum is not installed.
        EvaluationError: nothing could be explained; the message says why.
    """
    captum = require("captum", "explain")
    files, notes = PictureFiles(), list[str]()

    def tried(what: str, work: Callable[[], _Given], otherwise: _Given) -> _Given:
        try:
            return work()
        except EvaluationError as error:
            notes.append(f"{what}: {error}")
            return otherwise

    examples: list[Example] = []
    nothing: tuple[list[StartingPoint], list[Direction]] = ([], [])
    if context.has(Role.PROMPT):
        progress("words", 0.0)
        examples += tried("words", lambda: explain_words(context, files), [])
    if context.has(Role.LABEL):
        progress("labels", 0.2)
        examples += tried("labels", lambda: explain_labels(context, files), [])
    if context.has(Role.IMAGE):
        progress("source pixels", 0.4)
        examples += tried("source", lambda: explain_sources(context, files), [])
    starts, directions = nothing
    if applies(context):
        progress("latent directions", 0.6)
        starts, directions = tried("directions", lambda: explain_directions(context, files), nothing)
    if not examples and not directions:
        raise EvaluationError(
            "; ".join(notes) or "the generator has neither words, labels, sources nor a latent"
        )
    explanation = Explanation(
        family=info.family,
        preset=info.preset,
        weights_sha256=info.weights_sha256,
        data=context.train.name,
        picture=context.train.picture,
        captum=captum.__version__,
        examples=tuple(examples),
        starting_points=tuple(starts),
        directions=tuple(directions),
        notes=tuple(notes),
    )
    named = set(explanation.pictures())
    return explanation, {name: content for name, content in files.contents.items() if name in named}
