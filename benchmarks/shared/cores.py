"""Which processor cores the server has, and which its clients.

Where both share cores, a client takes time from the server it measures: the dearer the client, the slower the server.
With cores of its own the server's figures are those of clients on other machines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from ...bundle.json_documents import Document
from ...errors import UsageError

__all__ = ["Cores", "apart", "cores_of", "only_on", "split_cores"]

T = TypeVar("T")


class Cores(Document):
    """Cores that the server and its clients do not share.

    Args:
        server: numbers of the cores of the server.
        clients: numbers of the cores of everything that sends requests.
    """

    server: tuple[int, ...]
    clients: tuple[int, ...]

    def said(self, server: str, clients: str) -> str:
        """In words, such as "the server on 1 core, the tools on 1 other".

        Args:
            server, clients: what they are called.
        """
        ours, theirs = len(self.server), len(self.clients)
        return f"{server} on {ours} core{'s' * (ours > 1)}, {clients} on {theirs} other{'s' * (theirs > 1)}"


def split_cores() -> Cores:
    """Half of the cores that this process may use for the server, and half for clients.

    Raises:
        UsageError: this process may use one core only.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise UsageError(
            "server and clients need a core each, and this process may use one: let them share it"
        )
    middle = len(cores) // 2
    return Cores(server=tuple(cores[:middle]), clients=tuple(cores[middle:]))


def cores_of(*, share: bool) -> Cores | None:
    """Cores of their own for server and clients, where there are enough; None where they share all.

    Args:
        share: whether they are to share them in any case.
    """
    return None if share or len(os.sched_getaffinity(0)) < 2 else split_cores()


@contextmanager
def apart(server: AbstractContextManager[T], cores: Cores | None) -> Iterator[T]:
    """Enter a server on its cores; what the block does, and what it starts, uses those of the clients.

    Args:
        server: starts its processes when it is entered.
        cores: of both; None to leave everything as it is.
    """
    with ExitStack() as stack:
        with only_on(None if cores is None else cores.server):
            entered = stack.enter_context(server)
        with only_on(None if cores is None else cores.clients):
            yield entered


@contextmanager
def only_on(cores: tuple[int, ...] | None) -> Iterator[None]:
    """What this thread does inside, and every process and thread that it starts there, uses these cores only.

    Args:
        cores: their numbers; None to leave everything as it is.
    """
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
