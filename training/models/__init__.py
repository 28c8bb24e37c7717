"""Generator families, one module each: the module's name is the family's, and being in this folder registers it."""

from ..networks.generator import Generator
from ..objectives.task import LossStep, Task
from .base import Family, family, family_names

__all__ = ["Family", "Generator", "LossStep", "Task", "family", "family_names"]
