"""Options of the verbs whose work several workers can do."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError

__all__ = ["MOST_THREADS", "RayAddress", "Threads", "Workers", "refuse_without"]

MOST_THREADS = 4096
"""More than any machine has cores; runtimes take no number beyond 32 bits."""

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Work on the Ray cluster that this machine is a node of: HOST:PORT of its head, or auto; local starts one"
        " here. Every node needs litho and the target under the same path.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Most workers at the same time; by default 1 here, and with --ray all that the cluster has room for.",
        min=1,
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU cores of each worker; by default all here, divided by --workers, and 1 with --ray.",
        min=1,
        max=MOST_THREADS,
        show_default=False,
    ),
]


def refuse_without(needed: str, **given: object) -> None:
    """Refuse options that nothing uses without another one.

    Args:
        needed: option that would.
        given: name of each option -> its value, None if it was not given.

    Raises:
        UsageError: one of them was given.
    """
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} was given without {needed}; give both, or neither")
