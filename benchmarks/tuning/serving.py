"""One candidate of `litho bench tune` on an embedded Triton server of its own, under the load of the search."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...bundle import Bundle
from ...errors import LithoError
from ...extras import require
from ...parity.verify import replay_through
from ...runners.triton import Runner
from ...serving.repository.planning import Plan, Wanted
from ...serving.repository.versions import add_version
from ...serving.server.embedded import EmbeddedServer
from ..load.meter import Meter
from ..load.requests import Requests
from ..load.scenarios import open_scenario
from ..load.windows import Load, Measurement
from .documents import Figures, Goal, Quality
from .space import Candidate

__all__ = ["CandidateFailed", "Side", "served"]

MODEL = "model"
MOST_FAILED = 0.01
"""Share of failed requests above which no figure of a window counts."""

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
    """

    def __init__(
        self, bundle: Bundle, server: EmbeddedServer, runner: Runner, goal: Goal, start_seconds: float
    ) -> None:
        self.start_seconds = start_seconds
        self._bundle, self._server, self._runner, self._goal = bundle, server, runner, goal
        self._meter = Meter(runner, Requests(runner.signature, _FIRST_SEED), open_scenario("closed-loop"))
        self._load = Load(concurrency=goal.concurrency, batch=goal.batch)
        self._process = require("psutil", "bench").Process(server.process_id)

    def replay(self) -> Quality:
        """Replay all probes of the bundle through the server.

        Raises:
            CandidateFailed: its pictures are not those of the probes.
        """
        verdict = replay_through(self._bundle, f"{self._server.grpc_url}/{MODEL}").verdict
        if verdict.status != "passed":
            raise CandidateFailed(f"its pictures are not those of the probes ({verdict.reason})")
        return Quality(replayed=verdict.status)

    def measure(self, seconds: float) -> Figures:
        """Load the server for one window after a warm-up of a quarter of it.

        Args:
            seconds: shortest length of the window.

        Raises:
            LithoError: no request succeeded, or more than 1 % failed.
        """
        before, spent = self._runner.statistics(), self._cpu_seconds()
        measured = self._meter.take(self._load, warmup_seconds=_WARM_UP * seconds, seconds=seconds)
        spent = self._cpu_seconds() - spent
        pictures = (self._runner.statistics() - before).inferences
        found = _figures(measured, self._goal, 1e3 * spent / max(1, pictures))
        if found.failed > MOST_FAILED * (found.requests + found.failed):
            message, count = measured.errors.most_common(1)[0]
            raise CandidateFailed(
                f"{found.failed} of {found.requests + found.failed} requests failed ({count} with: {message})"
            )
        return found

    def _cpu_seconds(self) -> float:
        """Processor seconds of the server and of its processes, until now."""
        processes = [self._process, *self._process.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in processes)


def _figures(measured: Measurement, goal: Goal, cpu_ms: float) -> Figures:
    latencies = measured.latencies_ms
    return Figures(
        seconds=measured.seconds,
        images_per_second=len(latencies) * measured.batch / measured.seconds,
        p50_ms=float(sorted(latencies)[len(latencies) // 2]),
        requests=len(latencies),
        failed=sum(measured.errors.values()),
        in_time=None if goal.slo_ms is None else int((latencies <= goal.slo_ms).sum()),
        cpu_ms=max(cpu_ms, 1e-3),
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
