"""The families of generators, one a file: the module's name is the family's, and being here registers it."""

from .base import Family, Generator, Optimisation, Task, family, family_names

__all__ = ["Family", "Generator", "Optimisation", "Task", "family", "family_names"]
