"""The interface of an evaluation part, and the registry of parts."""

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
        picture: for example a grid of samples.
        caption: text under the picture.
    """

    picture: Image.Image
    caption: str


@dataclass(frozen=True)
class Measured:
    """Figures and pictures of one part."""

    figures: tuple[Figure, ...] = ()
    panels: tuple[Panel, ...] = ()


class Part(ABC):
    """Measures one kind of figure or shows one kind of picture; each module of this folder has a subclass `Part`.

    A part decides whether it applies by the roles of the signature, the data and the generator's methods, never by the
    name of a family.

    Attributes:
        title: heading of its section.
        position: in the order of the page, from 0.
    """

    title: ClassVar[str]
    position: ClassVar[int]

    @abstractmethod
    def applies(self, context: EvaluationContext) -> bool:
        """Whether this part measures anything for the generator and its data."""

    @abstractmethod
    def measure(self, context: EvaluationContext) -> Measured:
        """Compute figures and pictures.

        Raises:
            LithoError: a figure could not be computed.
        """


def all_parts() -> tuple[tuple[str, Part], ...]:
    """Name and instance of every part, in the order of the page."""
    modules = load_plugins("litho.training.evaluation.parts")
    parts = [(name, module.Part()) for name, module in modules.items()]
    return tuple(sorted(parts, key=lambda named: named[1].position))
