"""Replay the probes through a runner and judge its pictures: the one proof that every form of a generator passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Figure, Verdict
from ..bundle.probes import Probes
from ..errors import BundleError, DeviceError, EndpointError, LithoError, MissingExtra, out_of_memory
from ..runners.base import Runner
from ..signature import in_batches
from .failure_modes import explain
from .gate import Gate, judge

__all__ = ["REPLAY_BATCHES", "Open", "Outcome", "make", "prove", "replay"]

REPLAY_BATCHES = (64, 1, 7)
"""Pictures at a time: all probes together, each alone, and uneven parts with a smaller rest."""

Open = Callable[[], AbstractContextManager[Runner]]
"""Opens a runner, which is closed at the end of the `with` block."""


@dataclass(frozen=True)
class Outcome:
    """What a replay of the probes gave.

    Args:
        verdict: passed, failed, or not run and why.
        pictures: of all probes, made together; None if none were made.
    """

    verdict: Verdict
    pictures: NDArray[np.uint8] | None = None


def prove(
    open_runner: Open,
    probes: Probes,
    gate: Gate,
    *,
    largest_batch: int = REPLAY_BATCHES[0],
    measure: Callable[[Runner], Iterable[Figure]] = lambda runner: (),
    locate: Callable[[NDArray[np.uint8]], str | None] = lambda pictures: None,
) -> Outcome:
    """Replay the probes at every batch of `REPLAY_BATCHES`, judge the pictures, and explain a failure.

    A missing package or GPU gives the verdict "not_run". A runtime that fails gives the verdict "failed".

    Args:
        open_runner: opens what is proven.
        probes: with PyTorch's pictures.
        gate: the limits.
        largest_batch: limit of the batches, for a server that takes no more.
        measure: measures further figures; called only for a runner whose pictures passed.
        locate: names the layer at which failed pictures go wrong, or gives None; called only without another cause.

    Raises:
        BundleError: a file of the bundle has changed.
        EndpointError: the endpoint cannot be reached or refuses, which says nothing about its pictures.
        MemoryError: there was not enough memory, which says nothing about the pictures.
    """
    try:
        with open_runner() as runner:
            replays = _replays(runner, probes, largest_batch)
            sizes = [
                (made, bank.images)
                for bank in probes.others
                for made in _replays(runner, bank, largest_batch)
            ]
            verdict = judge(replays, probes.images, gate, sizes=sizes)
            if verdict.status == "passed" and (further := tuple(measure(runner))):
                verdict = judge(replays, probes.images, gate, further, sizes)
            verdict = explain(verdict, replays, probes, runner, lambda: locate(replays[0]))
            return Outcome(verdict, replays[0])
    except (BundleError, EndpointError):
        raise
    except (DeviceError, MissingExtra) as error:
        return Outcome(Verdict(status="not_run", reason=str(error)))
    except LithoError as error:
        return Outcome(Verdict(status="failed", reason=str(error)))


def _replays(runner: Runner, probes: Probes, largest_batch: int) -> list[NDArray[np.uint8]]:
    most = min(largest_batch, len(probes.images))
    return [
        replay(runner, probes, batch) for batch in dict.fromkeys(min(most, one) for one in REPLAY_BATCHES)
    ]


def replay(runner: Runner, probes: Probes, batch: int) -> NDArray[np.uint8]:
    """The pictures of the probes, made `batch` at a time.

    Raises:
        LithoError: the runner failed, or it takes other inputs than the probes have.
        MemoryError: there was not enough memory.
    """
    fields = sorted(field.name for field in runner.signature.inputs)
    if sorted(probes.inputs) != fields:
        raise LithoError(
            f"the probes have fields {sorted(probes.inputs)}, {runner.description} takes {fields};"
            " it is another generator"
        )
    return make(runner, probes.inputs, batch)


def make(runner: Runner, inputs: Mapping[str, NDArray[Any]], batch: int) -> NDArray[np.uint8]:
    """Make pictures, `batch` at a time.

    Args:
        runner: of the generator.
        inputs: field name -> array with a common batch axis in front.
        batch: pictures of one run.

    Raises:
        LithoError: the runner failed.
        MemoryError: there was not enough memory.
    """
    name = runner.signature.output.name
    try:
        return np.concatenate([runner.run(part)[name] for part in in_batches(inputs, batch)])
    except LithoError as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
