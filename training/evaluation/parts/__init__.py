"""Parts of an evaluation, one module each; being in this folder registers a part."""

from .base import Measured, Panel, Part, all_parts

__all__ = ["Measured", "Panel", "Part", "all_parts"]
