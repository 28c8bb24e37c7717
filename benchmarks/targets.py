"""What a benchmark is pointed at: an open runner, or whatever opens as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..bundle import Bundle
from ..runners import Runner, open_runner

__all__ = ["Progress", "Target", "address_of", "opened", "quiet", "target_name"]

Target = Runner | Bundle | Path | str

Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is done, in [0, 1]."""


def quiet(step: str, share: float) -> None:
    """Progress that nobody watches."""


@contextmanager
def opened(target: Target) -> Iterator[Runner]:
    """The runner of a target; one that was handed in open stays open afterwards."""
    if isinstance(target, Runner):
        yield target
        return
    with open_runner(target) as runner:
        yield runner


def target_name(target: Target) -> str:
    """The target as a person would give it."""
    if isinstance(target, Runner):
        return target.description
    return str(target.path) if isinstance(target, Bundle) else str(target)


def address_of(runner: Runner) -> str:
    """The address that a runner with a transport keeps in `url`; empty for one that runs here."""
    return getattr(runner, "url", "")
