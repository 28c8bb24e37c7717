"""What `litho bench tune` tries: the settings of a deployment that can make it faster, within what a bundle takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from ...bundle import Bundle
from ...bundle.manifest import GRADES, Grade, Variant
from ...errors import DeployError, UnknownName
from ...parity.gate import grade_of, weakest
from ...runners.base import runner_class
from ...serving.configuration.flavours.litho import Flavour
from ...serving.in_flight.batching import lanes_of
from ...serving.repository.planning import Plan, Wanted

__all__ = ["Candidate", "Choice", "Choose", "Space", "served_variants"]

Choice = str | int | None
"""A value of a parameter of the search; None for litho's default."""

Choose = Callable[[str, Sequence[Choice]], Choice]
"""Chooses one of the values of a parameter, given its name."""

_MOST_INSTANCES = 8
_MOST_VARIANTS = 64


@dataclass(frozen=True)
class Candidate:
    """One way to serve a bundle.

    Args:
        variant: names of the variants, one of each stage, separated by commas.
        settings: that differ from the default, name -> value of a field of `ServingSettings`.
    """

    variant: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for candidates that are served alike."""
        return (self.variant, *sorted(self.settings.items()))

    def shown(self, usual: str) -> str:
        """What differs from the default, in words.

        Args:
            usual: the default's variant.
        """
        words = [] if self.variant == usual else [self.variant]
        for name, value in self.settings.items():
            shown = ",".join(map(str, value)) if isinstance(value, tuple | list) else value
            words.append(f"{name.removesuffix('_microseconds')} {shown}")
        return ", ".join(words) or "default"


@dataclass(frozen=True)
class Space:
    """The candidates for one bundle on one machine.

    Args:
        variants: names of variants, as in `Candidate` -> the largest batch that they take; the default's first.
        sampler: whether a sampler makes the pictures, which can be batched in flight.
        cores: that the server may use.
        device: "cpu" or "cuda", which is not searched.
    """

    variants: Mapping[str, int]
    sampler: bool = False
    cores: int = 2
    device: str = "cpu"

    @classmethod
    def of(cls, bundle: Bundle, *, grade: Grade, variant: str | None = None, device: str = "cpu") -> Space:
        """What can be served of a bundle.

        Args:
            bundle: an open bundle.
            grade: weakest promise that may be served.
            variant: the only variant to serve, as `runners.choose_variants` takes it; by default all are tried.
            device: "cpu" or "cuda".

        Raises:
            DeployError: no variant may be served with this grade.
        """
        return cls(
            served_variants(bundle, grade=grade, variant=variant, device=device),
            bundle.manifest.sampler is not None,
            len(os.sched_getaffinity(0)),
            device,
        )

    @property
    def default(self) -> Candidate:
        """What `litho deploy` serves without any settings."""
        return Candidate(next(iter(self.variants)), self._device())

    def choices(self, name: str) -> tuple[Choice, ...]:
        """Values of a parameter; they do not depend on the other parameters.

        Raises:
            UnknownName: there is no such parameter.
        """
        known = self._parameters()
        if name not in known:
            raise UnknownName("parameter", name, known)
        return known[name]

    def draw(self, choose: Choose) -> Candidate:
        """One candidate; parameters that have no effect on it are not asked for.

        Args:
            choose: chooses the values.
        """

        def ask(name: str) -> Any:
            return choose(name, self.choices(name))

        variant = str(ask("variant"))
        settings = self._device()
        if self.sampler and ask("batching") == "in-flight":
            settings |= {"batching": "in-flight", "lanes": ask("lanes"), "live_rows": ask("live_rows")}
            lanes, usual = lanes_of(self.device, settings["lanes"], None, self.cores)
        else:
            settings |= self._batches(self.variants[variant], ask)
            settings["instance_count"] = lanes = ask("instance_count")
            usual = -(-self.cores // lanes)
        if self.device == "cpu":
            threads = ask("threads")
            settings["threads"] = None if threads == usual else threads
        return Candidate(variant, self._without_defaults(settings))

    def first(self) -> Iterator[dict[str, Choice]]:
        """Parameters that are worth a try before any search: the default, and one change of it each."""
        usual = self._usual()
        yield usual
        for variant in list(self.variants)[1:_MOST_INSTANCES]:
            yield {**usual, "variant": variant}
        changes: list[dict[str, Choice]] = []
        if self.sampler:
            flight: dict[str, Choice] = {"batching": "in-flight", "lanes": None, "live_rows": None}
            changes += [{**flight, "threads": max(1, self.cores // 2)}, {**flight, "lanes": 1}]
        for instances, threads in ((1, self.cores), (self.cores, 1), (2 * self.cores, 1)):
            changes.append({"instance_count": instances, "threads": threads})
        for change in changes:
            if all(value in self.choices(name) for name, value in change.items() if name in usual):
                yield {**usual, **{name: value for name, value in change.items() if name in usual}}

    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return tuple(self._parameters())

    def _parameters(self) -> dict[str, tuple[Choice, ...]]:
        largest = max(self.variants.values())
        found: dict[str, tuple[Choice, ...]] = {
            "variant": tuple(self.variants),
            "max_batch_size": (None, *_powers(largest - 1)),
            "preferred": ("none", "half", "full"),
            "max_queue_delay_microseconds": (0, 200, 1000, 5000),
            "instance_count": _counts(
                min(2 * self.cores, _MOST_INSTANCES), min(self.cores, _MOST_INSTANCES), self._usual_instances
            ),
        }
        if self.device == "cpu":
            found["threads"] = _counts(self.cores, -(-self.cores // self._usual_instances))
        if self.sampler:
            found["batching"] = ("whole", "in-flight")
            found["lanes"] = (None, *_powers(min(self.cores, 4)))
            found["live_rows"] = (None, *_powers(min(largest, 64))[1:])
        return found

    @property
    def _usual_instances(self) -> int:
        return 1 if self.sampler else 2

    def _usual(self) -> dict[str, Choice]:
        """The parameters of the default."""
        usual: dict[str, Choice] = {
            "variant": next(iter(self.variants)),
            "max_batch_size": None,
            "preferred": "none",
            "max_queue_delay_microseconds": 0,
            "instance_count": self._usual_instances,
            "threads": -(-self.cores // self._usual_instances),
            "batching": "whole",
            "lanes": None,
            "live_rows": None,
        }
        return {name: usual[name] for name in self.parameters()}

    def _device(self) -> dict[str, Any]:
        return {} if self.device == "cpu" else {"device": self.device}

    def _batches(self, largest: int, ask: Callable[[str], Any]) -> dict[str, Any]:
        asked = ask("max_batch_size")
        limit = largest if asked is None else min(asked, largest)
        found: dict[str, Any] = {"max_batch_size": None if limit == largest else limit}
        if limit == 1:
            return found  # there is nothing to wait for
        share = {"none": 0, "half": limit // 2, "full": limit}[ask("preferred")]
        found["preferred_batch_sizes"] = (share,) if share > 1 else ()
        found["max_queue_delay_microseconds"] = ask("max_queue_delay_microseconds")
        return found

    def _without_defaults(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        usual = {"instance_count": self._usual_instances, "max_queue_delay_microseconds": 0}
        return {
            name: value
            for name, value in settings.items()
            if value not in (None, ()) and usual.get(name) != value
        }


def served_variants(
    bundle: Bundle, *, grade: Grade, variant: str | None = None, device: str = "cpu"
) -> dict[str, int]:
    """The variants that may be served: names, one of each stage separated by commas -> the largest batch they take.

    Args:
        bundle, grade, variant, device: as in `Space.of`.

    Returns:
        What `litho deploy` serves by default is the first.

    Raises:
        DeployError: there are none.
    """

    usual = _usual_variants(bundle, grade, variant, device)

    def able(one: Variant) -> bool:
        promised = weakest((grade, grade_of(one, bundle.manifest))) == grade
        return one.verdict.status == "passed" and promised and Flavour.takes(one) and _runs_on(one, device)

    named = {one.stage: one for one in usual} if variant is not None else {}
    stages = [
        [named[stage.name]]
        if stage.name in named
        else [one for one in bundle.manifest.variants if one.stage == stage.name and able(one)]
        for stage in bundle.manifest.stages
    ]
    combined = [usual, *islice(product(*stages), _MOST_VARIANTS)]
    return {
        ",".join(one.name for one in together): min(one.batches[2] for one in together)
        for together in combined
    }


def _usual_variants(bundle: Bundle, grade: Grade, variant: str | None, device: str) -> tuple[Variant, ...]:
    """What `litho deploy` serves without further options: if it can, what promises the same picture."""
    wanted = Wanted(variant=variant, grade=GRADES[0], settings={"device": device})
    try:
        return Plan.of(bundle, wanted).description.variants
    except DeployError:
        return Plan.of(bundle, replace(wanted, grade=grade)).description.variants


def _runs_on(variant: Variant, device: str) -> bool:
    if device == "cpu" and variant.target is not None:
        return False
    with suppress(UnknownName):
        return device in runner_class(variant.runtime).devices
    return False


def _powers(most: int) -> tuple[int, ...]:
    """Powers of two up to a number."""
    return tuple(2**power for power in range(max(0, most).bit_length()) if 2**power <= most)


def _counts(most: int, *further: int) -> tuple[int, ...]:
    """Powers of two up to a number, three, that number, and further ones."""
    return tuple(sorted({*_powers(most), *(number for number in (3, most) if number <= most), *further}))
