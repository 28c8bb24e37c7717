"""What a part of an evaluation brings, and how all are found; knows no part by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from ....plugins import load_plugins
from ..context import EvaluationContext
from ..document import Figure

__all__ = ["Measured", "Panel", "Part", "all_parts"]


@dataclass(frozen=True)
class Panel:
    """A picture of the page.

    Args:
        picture: for example a grid.
        caption: what it shows, for a person.
    """

    picture: Image.Image
    caption: str


@dataclass(frozen=True)
class Measured:
    """What a part found."""

    figures: tuple[Figure, ...] = ()
    panels: tuple[Panel, ...] = ()


class Part(ABC):
    """One kind of figures, or of pictures to look at; a subclass is called `Part` in a module of this folder.

    What it applies to it reads off the roles of the signature, what the data has, and what the generator can do; never
    off a family's name.

    Attributes:
        title: of its section.
        position: in the order of the page, from 0.
    """

    title: ClassVar[str]
    position: ClassVar[int]

    @abstractmethod
    def applies(self, subject: EvaluationContext) -> bool:
        """Whether there is something to measure; a figure that should be there but cannot be computed is an error."""

    @abstractmethod
    def measure(self, subject: EvaluationContext) -> Measured:
        """The figures and pictures.

        Raises:
            LithoError: a figure could not be computed.
        """


def all_parts() -> tuple[tuple[str, Part], ...]:
    """Name and instance of every part, in the order of the page."""
    modules = load_plugins("litho.training.evaluation.parts")
    parts = [(name, module.Part()) for name, module in modules.items()]
    return tuple(sorted(parts, key=lambda named: named[1].position))
