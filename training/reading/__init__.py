"""Encoded pictures and the rows that hold them, made into datasets in memory; knows no source by name."""

from .options import Options, Progress
from .records import Record, Records, assemble

__all__ = ["Options", "Progress", "Record", "Records", "assemble"]
