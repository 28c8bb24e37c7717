"""The smallest recipe and generator of every family, for all tests: what the family's `SMALLEST` says."""

from inspect import signature
from typing import Any

from litho.training.models import Generator, family


def smallest_recipe(name: str, **keys: object) -> dict[str, str]:
    """Recipe keys of a training of four steps, as text.

    Args:
        name: of the family.
        keys: further recipe keys, which win; None takes a key off.
    """
    steps = {"nimg": 64, "batch": 16, "precision": "fp32", "ema_half_life_nimg": 1}
    merged = {**steps, **family(name).smallest, **keys}
    return {key: str(value) for key, value in merged.items() if value is not None}


def smallest_generator(name: str, **architecture: Any) -> Generator:
    """An untrained generator in eval mode.

    Args:
        name: of the family.
        architecture: further keyword arguments of the generator, which win.
    """
    found = family(name)
    known = signature(found.generator).parameters
    smallest = {key: value for key, value in found.smallest.items() if key in known}
    return found.generator(**{**smallest, **architecture}).eval()
