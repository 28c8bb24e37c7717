"""One candidate of `litho bench tune` on an embedded Triton server of its own, under the load of the search."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...bundle import Bundle
from ...errors import LithoError
from ...parity.verify import replay_through
from ...runners.triton import Runner
from ...serving.repository.planning import Plan, Wanted
from ...serving.repository.versions import add_version
from ...serving.server.embedded import EmbeddedServer
from ..load.documents.measurement import Measurement
from ..load.documents.windows import MOST_ERRORS, Load
from ..load.measuring.gauge import ProcessGauge
from ..load.measuring.meter import Meter
from ..load.measuring.probing import Probes
from ..load.measuring.references import reference_of
from ..load.measuring.requests import Requests
from ..load.scenarios import open_scenario
from .documents import Figures, Goal, Quality
from .space import Candidate

__all__ = ["CandidateFailed", "Side", "served"]

MODEL = "model"
_WARM_UP = 0.25
_FIRST_SEED = 2**40


class CandidateFailed(LithoError):
    """A candidate could not be served, or answered wrongly; the message has no path of its temporary folder."""


class Side:
    """A served candidate.

    Args:
        bundle: that it serves.
        server: that runs.
        runner: its endpoint.
        goal: whose load it gets.
        start_seconds: that its server took to be ready.

    Attributes:
        quality: what is known of its pictures so far.
    """

    def __init__(
        self, bundle: Bundle, server: EmbeddedServer, runner: Runner, goal: Goal, start_seconds: float
    ) -> None:
        self.start_seconds = start_seconds
        self.quality = Quality()
        self._bundle, self._server, self._goal = bundle, server, goal
        self._meter = Meter(runner, Requests(runner.signature, _FIRST_SEED), open_scenario("closed-loop"))
        self._load = Load(concurrency=goal.concurrency, batch=goal.batch)
        reference = reference_of(runner, bundle)
        assert reference is not None, "the bundle has it"
        self._reference = reference
        self._gauge = ProcessGauge(server.process_id)

    def replay(self) -> None:
        """Replay all probes of the bundle through the server.

        Raises:
            CandidateFailed: its pictures are not those of the probes.
        """
        verdict = replay_through(self._bundle, f"{self._server.grpc_url}/{MODEL}").verdict
        if verdict.status != "passed":
            raise CandidateFailed(f"its pictures are not those of the probes ({verdict.reason})")
        self.quality = self.quality.model_copy(update={"replayed": True})

    def measure(self, seconds: float) -> Figures:
        """Load the server for one window after a warm-up of a quarter of it, and check pictures of both.

        Args:
            seconds: shortest length of the window.

        Raises:
            LithoError: no request succeeded, more than 1 % failed, or wrong pictures came back.
        """
        measured = self._meter.take(
            self._load,
            warmup_seconds=_WARM_UP * seconds,
            seconds=seconds,
            probes=Probes(self._reference.inputs),
            gauge=self._gauge,
        )
        self._check(measured)
        return _figures(measured, self._goal)

    def _check(self, measured: Measurement) -> None:
        found = self._reference.judged(measured)
        if found is not None:
            checked, wrong = self.quality.checked + found.pictures, self.quality.wrong + found.wrong
            self.quality = self.quality.model_copy(update={"checked": checked, "wrong": wrong})
            if not found.passed:
                raise CandidateFailed(found.reason)
        failed = sum(measured.errors.values())
        asked = measured.asked or measured.requests + failed
        if failed > MOST_ERRORS * asked:
            message, count = measured.errors.most_common(1)[0]
            raise CandidateFailed(f"{failed} of {asked} requests failed, {count} of them with: {message}")


def _figures(measured: Measurement, goal: Goal) -> Figures:
    latencies, used = measured.latencies_ms, measured.resources
    if used is None or used.server is None or used.stubs is None:
        raise CandidateFailed("a process of its server ended under load")
    cpu_seconds = used.server.cpu_seconds + used.stubs.cpu_seconds
    return Figures(
        seconds=measured.seconds,
        images_per_second=measured.image_count / measured.seconds,
        p50_ms=float(np.median(latencies)),
        requests=measured.requests,
        failed=sum(measured.errors.values()),
        in_time=None if goal.slo_ms is None else int((latencies <= goal.slo_ms).sum()),
        cpu_ms=max(1e3 * cpu_seconds / measured.image_count, 1e-3),
    )


@contextmanager
def served(bundle: Bundle, candidate: Candidate, goal: Goal) -> Iterator[Side]:
    """Deploy a candidate into a temporary repository and serve it while the block runs.

    Args:
        bundle: an open bundle.
        candidate: how to serve it.
        goal: of the search.

    Raises:
        CandidateFailed: it cannot be served, or the block raised an error of litho.
    """
    with tempfile.TemporaryDirectory(prefix="litho-tune-") as folder:
        try:
            server = _deployed(bundle, candidate, goal, Path(folder))
            started = time.perf_counter()
            with server:
                took = time.perf_counter() - started
                try:
                    with Runner.from_location(f"{server.grpc_url}/{MODEL}", "cpu") as runner:
                        yield Side(bundle, server, runner, goal, took)
                finally:
                    server.stop(at_once=True)  # nothing is in flight: there is nobody to wait for
        except LithoError as error:
            raise CandidateFailed(str(error).replace(f"{folder}/", "")) from error


def _deployed(bundle: Bundle, candidate: Candidate, goal: Goal, folder: Path) -> EmbeddedServer:
    """A server, not started, of a repository that holds the candidate."""
    # What `deploy` does but for its proof: the probes are replayed through every candidate's server.
    wanted = Wanted(
        name=MODEL, variant=candidate.variant, grade=goal.grade, settings=dict(candidate.settings)
    )
    plan = Plan.of(bundle, wanted)
    plan.check()
    add_version(folder / "models" / MODEL, 1, plan.write)
    return EmbeddedServer(folder / "models", log=folder / "server.log")
