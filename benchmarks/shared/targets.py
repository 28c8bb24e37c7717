"""The target of a benchmark: an open runner, or any target of `open_runner`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...bundle import Bundle
from ...runners import Runner, open_runner

__all__ = ["Target", "address_of", "opened", "runs_elsewhere", "target_name"]

Target = Runner | Bundle | Path | str


@contextmanager
def opened(target: Target, variant: str | None = None, device: str = "cpu") -> Iterator[Runner]:
    """The runner of a target; a runner that was already open stays open afterwards.

    Args:
        target: to open.
        variant: of a bundle, as `runners.choose_variants` takes it.
        device: of a bundle or a run, as `open_runner` takes it.
    """
    if isinstance(target, Runner):
        yield target
        return
    with open_runner(target, variant, device=device) as runner:
        yield runner


def runs_elsewhere(target: Target) -> bool:
    """Whether a target was opened before, or is an endpoint: its device is decided."""
    return isinstance(target, Runner) or "://" in str(target)


def target_name(target: Target) -> str:
    """The target as a user would write it."""
    if isinstance(target, Runner):
        return target.description
    return str(target.path) if isinstance(target, Bundle) else str(target)


def address_of(runner: Runner) -> str:
    """Address of a runner with a transport, its `url`; empty for a runner in this process."""
    return getattr(runner, "url", "")
