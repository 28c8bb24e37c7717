"""A process that is killed in the middle of its work, without a process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

STEPS = ("mkdir", "rename", "replace", "rmdir", "symlink", "unlink")


class Killed(BaseException):
    """Nothing more is done."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the block change the disk `step` times; from then on every change fails, as nobody is there to make it.

    Args:
        step: number of changes that are made.
        monkeypatch: restores what the block must not call.
    """
    made = 0

    def counted(change: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            if made >= step:
                raise Killed
            made += 1
            return change(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in STEPS:
            patched.setattr(os, name, counted(getattr(os, name)))
        yield
