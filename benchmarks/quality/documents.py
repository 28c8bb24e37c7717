"""The figures that presets reached; written as `quality.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ...bundle.json_documents import Document, read_as
from ...training.evaluation.document import FeatureNetInfo, Figure
from ...training.presets import PRESETS
from ...training.recipe import Budget
from ..shared.command import RESULTS
from ..shared.machine import Machine
from .targets import Outcome, outcomes

__all__ = ["RESULT", "Entry", "Quality", "read_quality"]

SCHEMA_VERSION = 1
RESULT = RESULTS / "quality.json"


class Entry(Document):
    """One preset at one budget.

    Args:
        preset, budget: name and size of the training.
        recipe: the resolved recipe.
        nimg: images seen.
        minutes: training time, without data loading and pauses.
        weights_sha256: of the snapshot.
        data_sha256: of the images that it was evaluated with.
        feature_net: the feature net of the evaluation.
        figures: all measured figures.
        failures: parts that could not be measured, each with its reason.
        outcomes: the preset's targets at this budget, with the values reached.
        machine: that trained and evaluated it.
        measured_at: date and time (UTC) of this document; "" in older ones.
        command: that measured it; "" in older ones.
    """

    preset: str
    budget: Budget
    recipe: dict[str, Any]
    nimg: int
    minutes: float
    weights_sha256: str
    data_sha256: str
    feature_net: FeatureNetInfo
    figures: tuple[Figure, ...]
    failures: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    machine: Machine
    measured_at: str = ""
    command: str = ""

    def judged(self) -> Entry:
        """A copy that is compared with the targets of today."""
        return self.model_copy(update={"outcomes": outcomes(self.preset, self.budget, self.figures)})


class Quality(Document):
    """All measured presets; written as `quality.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Quality:
        """A copy in which the entry replaces the one of its preset and budget, in the order of `PRESETS`.

        All entries are compared with the targets of today.
        """
        others = [old for old in self.entries if (old.preset, old.budget) != (entry.preset, entry.budget)]
        order = list(PRESETS)
        entries = sorted([*others, entry], key=lambda one: (order.index(one.preset), one.budget))
        return self.model_copy(update={"entries": tuple(one.judged() for one in entries)})

    def entry(self, preset: str, budget: Budget) -> Entry | None:
        """The entry of a preset at a budget; None if it was not measured."""
        return next((one for one in self.entries if (one.preset, one.budget) == (preset, budget)), None)


def read_quality(path: Path = RESULT) -> Quality:
    """The recorded figures; empty if the file does not exist.

    Raises:
        SchemaError: the file is damaged, foreign, or of a newer litho.
    """
    if not path.exists():
        return Quality()
    return read_as(Quality, "a valid quality document", path.parent, path.name, SCHEMA_VERSION)
