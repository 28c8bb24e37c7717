"""What every query should say of a known load, from other witnesses: the clients, Triton's statistics, the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...serving.gateway.observation.metrics import BUCKETS, FAILURES, REASONS as REFUSALS
from .facts import IMAGES, Facts, ModelFacts
from .prometheus import Labels

__all__ = ["Bounds", "Expected", "Timing"]

ROUNDED_SECONDS = 2e-6
"""Triton's metrics leave out what is less than a microsecond of a request."""
WITHIN = 1e-3
"""Tolerance, as a share, of a quotient of two series that were scraped together."""
TIMED_WITHIN = 0.3
"""Tolerance of a time that two programs measured, one around the other: on busy cores the outer one waits."""
TRAVEL_SECONDS = 0.02
"""Time of a request from a client to the engine and back."""
LITTLE_SECONDS = 0.02
USED_WITHIN = 0.25
"""Tolerance of processor time and memory, which change between the two looks."""
REASONS = ("OTHER", "BACKEND", "CANCELED", "REJECTED")
IN_FLIGHT_REASONS = ("refused", "expired", "gone", "failed")
OWN_ROUTES = ("/metrics", "/readyz")
"""Routes that Prometheus and the start of the gateway ask."""


@dataclass(frozen=True)
class Bounds:
    """The range that a value should be in.

    Args:
        low, high: see there.
        source: where they come from.
    """

    low: float
    high: float
    source: str

    @classmethod
    def near(cls, value: float, source: str, share: float = WITHIN, more: float = 0.0) -> Bounds:
        """A value with a tolerance: a share of it, and so much more."""
        off = abs(value) * share + more
        return cls(value - off, value + off, source)


@dataclass(frozen=True)
class Timing:
    """How Prometheus looked at the load.

    Args:
        factor: by which the ranges of all queries are divided.
        interval: seconds between two scrapes.
        addresses: job -> HOST:PORT of its target.
        little: model in flight -> seconds that its pictures waited by Little's law.
    """

    factor: float
    interval: float
    addresses: Mapping[str, str]
    little: Mapping[str, float]


Series = dict[Labels, Bounds]


class Expected:
    """The right number of each series of each query.

    Args:
        facts: of the load, which lies inside the range of every query.
        timing: how Prometheus looked.
    """

    def __init__(self, facts: Facts, timing: Timing) -> None:
        self._facts, self._timing = facts, timing

    def of(self, name: str) -> Series | None:
        """The series of a rule, a panel's query ("TITLE A") or the scaling query; None for one that is not known.

        Args:
            name: see there.
        """
        found = {**self._rules(), **self._panels(), **self._gateway_panels()}.get(name)
        return None if found is None else found()

    def scaling(self, model: str) -> Bounds:
        """What the scaling query of a model should say."""
        return self._wait(next(one for one in self._facts.models if one.name == model))

    def _rules(self) -> dict[str, Callable[[], Series]]:
        each = self._each
        return {
            "model:litho_requests:rate2m": lambda: each(self._requests),
            "model:litho_pictures:rate2m": lambda: each(self._pictures),
            "model:litho_failures:rate2m": lambda: each(_none),
            "model:litho_waiting:sum": lambda: each(_none),
            "model:litho_wait_seconds:mean2m": lambda: each(self._wait),
            "model:litho_answer_seconds:mean2m": lambda: each(self._answer),
            "model:litho_batch_size:mean2m": lambda: each(_batch),
            "route:litho_gateway_requests:rate2m": self._routes,
            "route:litho_gateway_request_seconds:p95_2m": self._route_times,
            **{
                f"release:litho_gateway_errors:ratio{window}": lambda: {(): _zero("no request failed")}
                for window in ("5m", "30m", "1h", "6h")
            },
        }

    def _panels(self) -> dict[str, Callable[[], Series]]:
        each, rules = self._each, self._rules()
        flying = [one for one in self._facts.models if one.in_flight]
        return {
            "Servers A": lambda: {(): Bounds.near(1, "one Triton runs")},
            "Servers B": lambda: {(): Bounds.near(1, "one gateway runs")},
            "Pictures a second A": lambda: {(): _sum([*each(self._pictures).values()])},
            "Longest wait A": lambda: {(): _largest([*each(self._wait).values()])},
            "Failed requests A": lambda: {(): _zero("no request failed")},
            "Gateway errors A": rules["release:litho_gateway_errors:ratio5m"],
            "Firing alerts A": lambda: {(): _zero("nothing is wrong")},
            "Pictures a second by model A": rules["model:litho_pictures:rate2m"],
            "Wait of a request A": rules["model:litho_wait_seconds:mean2m"],
            "Time of an answer A": rules["model:litho_answer_seconds:mean2m"],
            "Batch size A": rules["model:litho_batch_size:mean2m"],
            "Requests that wait A": rules["model:litho_waiting:sum"],
            "Failures by reason A": lambda: _reasons(self._facts.models, REASONS),
            "Failures by reason B": lambda: _reasons(flying, IN_FLIGHT_REASONS),
            **{
                f"Where the time of a whole request goes {letter}": lambda field=field: {
                    (): self._part(field)
                }
                for letter, field in zip(
                    "ABCD",
                    ("queue_ns", "compute_input_ns", "compute_infer_ns", "compute_output_ns"),
                    strict=True,
                )
            },
            "Pictures in flight A": lambda: {_model(one): _none(one) for one in flying},
            "Pictures in flight B": lambda: {_model(one): _none(one) for one in flying},
            "Steps a second A": lambda: {_model(one): self._steps(one) for one in flying},
        }

    def _gateway_panels(self) -> dict[str, Callable[[], Series]]:
        facts = self._facts
        gateway: Labels = (("instance", self._timing.addresses["litho-gateway"]),)
        triton: Labels = (("instance", self._timing.addresses["litho-triton"]),)
        seconds = self._window(2)
        return {
            "Requests by status A": self._statuses,
            **{
                f"Time of a request for pictures {letter}": lambda share=share: {(): self._time(share)}
                for letter, share in zip("ABC", (50, 95, 99), strict=True)
            },
            "p95 by route A": self._route_times,
            "Requests by route A": self._routes,
            "Requests without a picture A": lambda: {
                (("reason", code),): self._rate(facts.refused[code], "what the refused clients read")
                for code in {*REFUSALS.values(), *facts.refused}
            },
            "Pictures that clients were given A": lambda: {
                _model(facts.models[0]): self._rate(facts.models[0].through_gateway, "the clients' count")
            },
            "Requests in the gateway A": lambda: {gateway: Bounds(0, 1, "no client is left, but Prometheus")},
            "Processor of a gateway A": lambda: {
                gateway: Bounds.near(
                    facts.gateway_cpu_seconds / seconds, "the kernel's count", USED_WITHIN, 0.1
                )
            },
            "Memory of a gateway A": lambda: {
                gateway: Bounds.near(facts.gateway_bytes, "the kernel's count", USED_WITHIN)
            },
            **{f"GPU {what} A": dict for what in ("utilization", "memory", "power")},
            "Restarts of Triton A": lambda: {triton: _zero("Triton did not restart")},
        }

    def _each(self, figure: Callable[[ModelFacts], Bounds]) -> Series:
        return {_model(one): figure(one) for one in self._facts.models}

    def _window(self, minutes: float) -> float:
        """Seconds of a range."""
        return 60 * minutes / self._timing.factor

    def _rate(self, count: float, source: str) -> Bounds:
        """A rate over two minutes of something that was counted so often.

        Prometheus extends what it saw between the first and the last scrape to the whole range. The counters stand
        still at both ends, so the rate can only be too high, and by less than four scrapes in the length of the load.
        """
        rate = count / self._window(2)
        more = 4 * self._timing.interval / (self._facts.ended - self._facts.began)
        return Bounds(rate * (1 - 1e-6), rate * (1 + more), source)

    def _requests(self, model: ModelFacts) -> Bounds:
        if model.in_flight:
            return self._rate(model.answered, "the clients' count")
        # Requests of the gateway may travel together.
        return self._rate(model.statistics.requests, "Triton's statistics over gRPC")

    def _pictures(self, model: ModelFacts) -> Bounds:
        return self._rate(model.pictures, "the clients' count")

    def _wait(self, model: ModelFacts) -> Bounds:
        if model.in_flight:
            waited = self._timing.little[model.name]
            return Bounds.near(waited, "Little's law", TIMED_WITHIN, LITTLE_SECONDS)
        waited = model.statistics.queue_ns / model.statistics.requests / 1e9
        return Bounds.near(waited, "Triton's statistics over gRPC", more=ROUNDED_SECONDS)

    def _answer(self, model: ModelFacts) -> Bounds:
        if model.in_flight:
            # The client's time has this one inside it.
            whole = model.client_seconds
            low = max(0.0, (1 - TIMED_WITHIN) * whole - TRAVEL_SECONDS)
            return Bounds(low, whole, "the clients' mean latency")
        counted = model.statistics
        parts = (
            counted.queue_ns + counted.compute_input_ns + counted.compute_infer_ns + counted.compute_output_ns
        )
        whole = parts / counted.requests / 1e9
        return Bounds(whole * (1 - WITHIN), whole * 1.1 + 1e-3, "Triton's statistics over gRPC")

    def _part(self, field: str) -> Bounds:
        whole = [one.statistics for one in self._facts.models if not one.in_flight]
        mean = sum(getattr(one, field) for one in whole) / sum(one.requests for one in whole) / 1e9
        return Bounds.near(mean, "Triton's statistics over gRPC", more=ROUNDED_SECONDS)

    def _steps(self, model: ModelFacts) -> Bounds:
        """A step moves at least one picture and at most all that the clients have in flight."""
        most = self._rate(model.steps, "the steps that the clients asked for")
        return Bounds(most.low / model.clients, most.high, most.source)

    def _statuses(self) -> Series:
        series = {
            (("status", status),): self._rate(count, "the clients' count")
            for status, count in {**dict.fromkeys(FAILURES, 0), **self._facts.statuses}.items()
        }
        good = series[(("status", "200"),)]
        series[(("status", "200"),)] = Bounds(good.low, good.high + self._own().high, good.source)
        return series

    def _own(self) -> Bounds:
        """Scrapes of Prometheus a second, and what asked whether the gateway is ready."""
        return Bounds(0, 2 / self._timing.interval, "the scrapes of Prometheus")

    def _routes(self) -> Series:
        series: Series = {(("route", route),): self._own() for route in OWN_ROUTES}
        count = sum(self._facts.statuses.values())
        return {**series, (("route", IMAGES),): self._rate(count, "the clients' count")}

    def _route_times(self) -> Series:
        own = Bounds(0, BUCKETS[-1], "the scrapes of Prometheus")
        return {(("route", IMAGES),): self._time(95), (("route", OWN_ROUTES[0]),): own}

    def _time(self, share: int) -> Bounds:
        """The bucket of the clients' percentile, or one below it: the gateway's time lies inside theirs."""
        # Of what was refused the clients took no time; the gateway took little.
        refused = np.zeros(sum(self._facts.refused.values()))
        seconds = float(np.percentile(_combined(self._facts.images_ms, refused), share)) / 1e3
        low = max((bound for bound in (0.0, *BUCKETS) if bound <= seconds / 2), default=0.0)
        high = next((bound for bound in BUCKETS if bound >= seconds), BUCKETS[-1])
        return Bounds(low, high, "the clients' percentile")


def _combined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([one, other])


def _model(model: ModelFacts) -> Labels:
    return (("model", model.name),)


def _batch(model: ModelFacts) -> Bounds:
    if model.in_flight:
        return Bounds(1, model.clients, "the requests in flight")
    return Bounds.near(model.statistics.mean_batch, "Triton's statistics over gRPC")


def _none(_: ModelFacts) -> Bounds:
    return _zero("no request failed, and none is left")


def _zero(source: str) -> Bounds:
    return Bounds(0, 0, source)


def _sum(bounds: list[Bounds]) -> Bounds:
    return Bounds(sum(one.low for one in bounds), sum(one.high for one in bounds), bounds[0].source)


def _largest(bounds: list[Bounds]) -> Bounds:
    return Bounds(max(one.low for one in bounds), max(one.high for one in bounds), bounds[0].source)


def _reasons(models: tuple[ModelFacts, ...] | list[ModelFacts], reasons: tuple[str, ...]) -> Series:
    return {(*_model(one), ("reason", reason)): _none(one) for one in models for reason in reasons}
