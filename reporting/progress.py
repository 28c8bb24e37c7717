"""How long work reports its progress."""

from collections.abc import Callable

__all__ = ["Progress", "quiet"]

Progress = Callable[[str, float], None]
"""Called with the current step and the share of all work that is done, 0 to 1."""


def quiet(step: str, share: float) -> None:
    """Report no progress."""
