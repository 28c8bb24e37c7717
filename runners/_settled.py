"""Futures that are settled once, whoever cancels them."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

__all__ = ["finish"]


def finish(future: Future[Any], result: Any = None, *, error: Exception | None = None) -> None:
    """Settle a future, unless whoever waited for it has cancelled it; for the one who made it, once."""
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
