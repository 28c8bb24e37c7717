"""The parts of an evaluation, one a file: being here registers it. Each says itself what it applies to."""

from .base import Measured, Panel, Part, all_parts

__all__ = ["Measured", "Panel", "Part", "all_parts"]
