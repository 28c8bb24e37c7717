"""Replay the probes through a runner and judge its pictures: the one proof that every form of a generator passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Figure, Verdict
from ..bundle.probes import EXTREMES, USUAL, Probes
from ..errors import (
    BundleError,
    DeviceError,
    EndpointError,
    ExportError,
    LithoError,
    MissingExtra,
    out_of_memory,
)
from ..runners.base import Runner
from ..signature import AT_ONCE, Signature, in_batches
from ..signature.fields import Role
from .failure_modes import explain
from .gate import Gate, Replay, judge

__all__ = [
    "REPLAY_BATCHES",
    "Open",
    "Outcome",
    "largest_batch",
    "make",
    "picture_count",
    "prove",
    "replay",
    "replay_batches",
    "served_batches",
]

REPLAY_BATCHES = (1, 2, 3, 7, 8, 16, 32, 64, 65)
"""Pictures at a time: powers of two, for which kernels are chosen, their neighbours, and more than a server forms."""

_PREFERRED = 8
"""A server's usual batch, and the largest one of the largest pictures."""

_WHOLE = AT_ONCE
"""Pictures at a time of the replay whose pictures are shown."""

_WHOLE_TOO = (1, 7)
"""Batches at which every probe is made as well: alone, and in uneven parts with a smaller rest."""

_TWICE, _FEW = 16, 3
"""Up to these batches, of a generator of one step and of a sampler, two full batches are made: a fault may begin with
the second, and one of fewer than four pictures could pass for a probe that may differ."""

_ALONE_TOO = (EXTREMES, "size ")
"""Starts of the names of the further banks whose probes are also made one by one; the others are made once."""

Open = Callable[[], AbstractContextManager[Runner]]
"""Opens a runner, which is closed at the end of the `with` block."""


@dataclass(frozen=True)
class Outcome:
    """What a replay of the probes gave.

    Args:
        verdict: passed, failed, or not run and why.
        pictures: of all probes, made together; None if none were made.
        error: of the runtime, which could not open the variant or could not run it; None if it made all pictures.
    """

    verdict: Verdict
    pictures: NDArray[np.uint8] | None = None
    error: LithoError | None = None


def prove(
    open_runner: Open,
    probes: Probes,
    gate: Gate,
    *,
    batches: Sequence[int] | None = None,
    measure: Callable[[Runner], Iterable[Figure]] = lambda runner: (),
    locate: Callable[[NDArray[np.uint8]], str | None] = lambda pictures: None,
) -> Outcome:
    """Replay the probes at every batch, judge the pictures, and explain a failure.

    All probes are made 64 at a time, or as many as may be, one by one, and 7 at a time; at every other batch as many
    as fill one or two batches. Further banks are made together; those of other sizes and extremes also one by one.

    A missing package or GPU gives the verdict "not_run". A runtime that fails gives the verdict "failed".

    Args:
        open_runner: opens what is proven.
        probes: with PyTorch's pictures.
        gate: the limits.
        batches: pictures at a time, from `replay_batches`; by default those that it gives without a declared one.
        measure: measures further figures; called only for a runner whose pictures passed.
        locate: names the layer at which failed pictures go wrong, or gives None; called only without another cause.

    Raises:
        BundleError: a file of the bundle has changed.
        EndpointError: the endpoint cannot be reached or refuses, which says nothing about its pictures.
        ExportError: PyTorch's pictures cannot be used.
        MemoryError: there was not enough memory, which says nothing about the pictures.
    """
    try:
        with open_runner() as runner:
            batches = batches or replay_batches(signature=runner.signature)
            plan = _plan(runner.signature, probes, batches)
            made = [part.replay(runner, batches) for part in plan]
            replays = [one for one in made if not one.bank]
            further = [one for one in made if one.bank]
            verdict = judge([*replays, *further], gate)
            if verdict.status == "passed" and (figures := tuple(measure(runner))):
                verdict = judge([*replays, *further], gate, figures)
            pictures = replays[0].pictures
            verdict = explain(verdict, [*replays, *further], probes, runner, lambda: locate(pictures))
            return Outcome(verdict, pictures)
    except (BundleError, EndpointError, ExportError):
        raise
    except (DeviceError, MissingExtra) as error:
        return Outcome(Verdict(status="not_run", reason=str(error)))
    except LithoError as error:
        return Outcome(Verdict(status="failed", reason=str(error)), error=error)


def largest_batch(signature: Signature) -> int:
    """Most pictures at a time that a graph is proven and served with: 64 of up to 128x128, 16 of 256x256, then 8."""
    return max(_PREFERRED, signature.at_once)


def served_batches(signature: Signature) -> tuple[int, int, int]:
    """Smallest, preferred and largest batch that a graph is proven with, an engine built for and a server forms."""
    return 1, _PREFERRED, largest_batch(signature)


def replay_batches(
    *declared: int, profiles: Sequence[tuple[int, int]] = (), signature: Signature | None = None
) -> tuple[int, ...]:
    """The batches to replay the probes at: `REPLAY_BATCHES`, the declared ones and the ends of the profiles.

    Args:
        declared: batches that the form is built for, timed at or served with.
        profiles: smallest and largest batch of each range that it takes; empty if it takes any batch.
        signature: of the generator. Of large pictures the usual ones end at `largest_batch`, or at a larger declared
            one, which earlier versions of litho wrote.
    """
    most = max((_WHOLE if signature is None else largest_batch(signature), *declared))
    usual = [batch for batch in REPLAY_BATCHES if batch <= most or most >= _WHOLE]
    wanted = sorted({*usual, most, *declared, *(end for profile in profiles for end in profile)})
    return tuple(
        batch for batch in wanted if not profiles or any(least <= batch <= most for least, most in profiles)
    )


@dataclass(frozen=True)
class _Part:
    """One replay before it is made.

    Args:
        bank: the probes.
        batch: pictures at a time.
        numbers: of the probes to make; empty for all of the bank.
    """

    bank: Probes
    batch: int
    numbers: tuple[int, ...] = ()

    def replay(self, runner: Runner, batches: Sequence[int]) -> Replay:
        """Make the pictures."""
        if not self.numbers:
            made = _whole(runner, self.bank, self.batch, batches)
            return Replay(
                made, self.bank.images, self.batch, "" if self.bank.name == USUAL else self.bank.name
            )
        part = self.bank.chosen(self.numbers)
        return Replay(replay(runner, part, self.batch), part.images, self.batch, numbers=self.numbers)


def picture_count(signature: Signature, probes: Probes) -> int:
    """Pictures that `prove` makes of a runner with this signature for a verdict, without a declared batch."""
    plan = _plan(signature, probes, replay_batches(signature=signature))
    return sum(len(part.numbers or part.bank.images) for part in plan)


def _plan(signature: Signature, probes: Probes, batches: Sequence[int]) -> list[_Part]:
    """Replays of the usual probes, the one whose pictures are shown first, then those of further banks."""
    most = _most(probes, batches)
    whole = (most, *(batch for batch in _WHOLE_TOO if batch in batches and batch < most))
    plan = [_Part(probes, batch) for batch in whole]
    order, sampler = _order(signature, probes)
    start = 0
    for batch in sorted(set(batches) - set(whole)):
        turns = 1 if batch > (_FEW if sampler else _TWICE) else 2
        plan.append(
            _Part(
                probes,
                batch,
                tuple(order[index % len(order)] for index in range(start, start + turns * batch)),
            )
        )
        start += turns * batch
    for bank in probes.others:
        alone = [1] if bank.name.startswith(_ALONE_TOO) and 1 in batches else []
        plan += [_Part(bank, batch) for batch in dict.fromkeys((_most(bank, batches), *alone))]
    return plan


def _most(bank: Probes, batches: Sequence[int]) -> int:
    """The largest of the batches that the bank fills, up to 64."""
    return max((batch for batch in batches if batch <= min(_WHOLE, len(bank.images))), default=min(batches))


def _whole(runner: Runner, bank: Probes, batch: int, batches: Sequence[int]) -> NDArray[np.uint8]:
    """The pictures of a bank, made `batch` at a time; a rest that is none of the batches is filled up."""
    count = len(bank.images)
    if (rest := count % batch) and rest not in batches:
        bank = bank.chosen([index % count for index in range(count - rest + batch)])
    return replay(runner, bank, batch)[:count]


def _order(signature: Signature, probes: Probes) -> tuple[list[int], bool]:
    """Numbers of the probes to choose from for further batches, and whether each takes a number of steps.

    The half with the fewest steps will do: the other stages run once, and the steps of all are the same graph.
    """
    field = signature.field(Role.STEPS)
    if field is None or field.name not in probes.inputs:
        return list(range(len(probes.images))), False
    order = np.argsort(probes.inputs[field.name], kind="stable")
    return order[: max(1, len(order) // 2)].tolist(), True


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
    return make(runner, probes.inputs, batch, probes.strided)


def make(
    runner: Runner,
    inputs: Mapping[str, NDArray[Any]],
    batch: int,
    keep: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda images: images,
) -> NDArray[np.uint8]:
    """Make pictures, `batch` at a time.

    Args:
        runner: of the generator.
        inputs: field name -> array with a common batch axis in front.
        batch: pictures of one run.
        keep: gives what is kept of the pictures of one run.

    Raises:
        LithoError: the runner failed.
        MemoryError: there was not enough memory.
    """
    name = runner.signature.output.name
    try:
        return np.concatenate([keep(runner.run(part)[name]) for part in in_batches(inputs, batch)])
    except LithoError as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
