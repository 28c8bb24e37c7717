"""How the processes of a launcher find each other, also after some of them were started again.

torchrun keeps one store for all rounds of a job (torch 2.13), and torch's own start of a process group takes the
addresses that processes of an earlier round left there: after a restart the new ones cannot connect. Here all
processes of a round first agree on a name that no earlier round had.
"""

from __future__ import annotations

import json
import time
from functools import cache
from itertools import count as count_up
from secrets import token_hex
from typing import Any

from torch.distributed import PrefixStore, rendezvous  # pyright: ignore[reportPrivateImportUsage]

from ...errors import TrainingError

__all__ = ["agree_on_round", "fresh_store"]

LONGEST_S = 300.0
POLL_S = 0.05

_GROUPS = count_up()


def fresh_store() -> tuple[Any, int, int]:
    """A store without keys for the next process group, the rank of this process and the number of processes.

    Raises:
        TrainingError: a process did not come.
    """
    store, rank, processes = _store_of_round()
    # Keys of a group that this process has left would be taken for those of the new one.
    return PrefixStore(f"group-{next(_GROUPS)}", store), rank, processes


@cache
def _store_of_round() -> tuple[Any, int, int]:
    # Once: a second store could not listen at the same port.
    store, rank, processes = next(rendezvous("env://"))
    name = agree_on_round(store, rank, processes)
    return PrefixStore(f"litho-{name}", store), rank, processes


def agree_on_round(store: Any, rank: int, processes: int, longest_s: float = LONGEST_S) -> str:
    """Agree with the other processes of this round on its name.

    Each process greets with a number of its own, process 0 repeats all greetings with the name, and a process that
    finds its own among them thanks with the name. What processes of earlier rounds left in the store fits neither.

    Args:
        store: of `torch.distributed`, the same for all processes; it may hold keys of earlier rounds.
        rank: of this process, from 0.
        processes: number of processes.
        longest_s: seconds to wait for the others.

    Raises:
        TrainingError: a process did not come in time.
    """
    own, start = token_hex(8), time.monotonic()
    others = [str(number) for number in range(1, processes)]
    if rank:
        store.set(f"litho/greeting/{rank}", own)
    while time.monotonic() - start < longest_s:
        if rank == 0:
            greetings = {number: _read(store, f"litho/greeting/{number}") for number in others}
            store.set("litho/round", json.dumps({"name": own, "greetings": greetings}))
            if all(_read(store, f"litho/thanks/{number}") == own for number in others):
                return own
        elif (found := _read(store, "litho/round")) and json.loads(found)["greetings"].get(str(rank)) == own:
            name = json.loads(found)["name"]
            store.set(f"litho/thanks/{rank}", name)
            return name
        time.sleep(POLL_S)
    raise TrainingError(
        f"process {rank} waited {longest_s:.0f} s for the other {processes - 1}; check that every node runs the same"
        " command with the same address of the first node"
    )


def _read(store: Any, key: str) -> str | None:
    return store.get(key).decode() if store.check([key]) else None
