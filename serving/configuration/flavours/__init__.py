"""Flavours: the Triton backends that a bundle can be deployed for. A flavour is one module with a class `Flavour`."""

from .base import Flavour, flavour, flavour_names, flavour_summaries

__all__ = ["Flavour", "flavour", "flavour_names", "flavour_summaries"]
