"""Workers of a Ray cluster: Ray Data's pool of actors, which grows, shrinks and replaces what is lost.

The numbers of the pieces are the data set; each block holds one or a few, and an actor maps a number to its outcome.
An actor is handed the next piece when it has done the one before: what a piece makes never waits in memory. The pool
may shrink to one actor. One that shall be replaced after the loss of a node finds no free CPU as long as all others
live; when no pieces are left for those, they end, and the lost one's pieces are done there.
"""

from __future__ import annotations

import logging
import pickle
import queue
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..._version import __version__
from ...errors import ClusterError, LithoError
from ...extras import require
from .base import Advance, Pool, Seat, Work
from .outcomes import Outcome
from .ray_cluster import Cluster
from .ray_worker import Ledger, RayWorker

__all__ = ["RayPool"]

_MOST_BLOCKS = 4096
"""Blocks of one data set; with more pieces a block holds several, which are done again together."""

_AHEAD = 2
"""Pieces handed to a worker: the one that it does, and the next."""

_TICK_SECONDS = 0.5
_END_SECONDS = 10.0


class RayPool(Pool):
    """Pieces of work in the actors of a Ray cluster.

    Args:
        address: see `Cluster`.
        workers: most actors at the same time; None for as many as the cluster has room for.
        threads: CPUs of each actor.
        on_gpu: give each actor a GPU.
    """

    def __init__(self, address: str, workers: int | None, threads: int, *, on_gpu: bool) -> None:
        super().__init__()
        self._cluster = Cluster(address)
        room = self._cluster.room(threads, on_gpu)
        self._workers = workers or room
        self._at_first = min(self._workers, room)  # more, where the cluster grows
        self._threads, self._on_gpu = threads, on_gpu
        self._collectors: list[threading.Thread] = []

    def run(
        self, work: Work, numbers: Sequence[int], progress: Advance = lambda pieces: None
    ) -> Generator[tuple[int, Any], None, None]:
        """See `Pool.run`."""
        if not numbers:
            return
        self._cluster.check(work)
        ledger = self._beside_the_driver(Ledger)
        outcomes: queue.Queue[Any] = queue.Queue()
        stop = threading.Event()
        collector = threading.Thread(
            target=_collect, args=(self._mapped(work, numbers, ledger), outcomes, stop), daemon=True
        )
        self._collectors.append(collector)
        collector.start()
        try:
            yield from self._outcomes(set(numbers), ledger, outcomes, progress)
        finally:
            stop.set()

    def _outcomes(
        self, left: set[int], ledger: Any, outcomes: queue.Queue[Any], progress: Advance
    ) -> Generator[tuple[int, Any], None, None]:
        """Number and answer of each piece of `left`, as the collector hands over their outcomes."""
        ray = self._cluster.ray
        workers, tries, count = set[str](), 0, len(left)
        before = replace(self.report)
        while True:
            try:
                found = outcomes.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                found = ()
            if isinstance(found, Exception):
                raise self._lost(found)
            if found is None:
                break
            for number, outcome in found:
                if outcome.failed is not None:
                    raise outcome.failed.error(outcome.where)
                if number in left:
                    left.remove(number)
                    workers.add(outcome.worker)
                    tries += outcome.retries
                    self.report.pieces += 1
                    yield number, outcome.answer
            again, done = ray.get(ledger.look.remote())
            self.report.workers = before.workers + len(workers)
            self.report.retries = before.retries + tries + again
            # What the ledger hears of a piece may come after the piece's answer.
            progress(max(done, count - len(left)))
            self._cluster.notice_loss()
        if left:
            raise ClusterError(f"the Ray cluster gave no answer for {len(left)} pieces, such as {min(left)}")

    def _beside_the_driver(self, kind: type) -> Any:
        """An actor on the driver's own node, where it is lost only together with the driver."""
        ray = self._cluster.ray
        strategies: Any = require("ray.util.scheduling_strategies", "ray")
        here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        return ray.remote(num_cpus=0)(kind).options(scheduling_strategy=here).remote()

    def _mapped(self, work: Work, numbers: Sequence[int], ledger: Any) -> Any:
        """The data set of outcomes, not begun yet."""
        data: Any = require("ray.data", "ray")
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        pieces = data.from_items(
            [{"number": number} for number in numbers], override_num_blocks=min(len(numbers), _MOST_BLOCKS)
        )
        for handler in logging.getLogger("ray.data").handlers:
            handler.setLevel(logging.CRITICAL)
        most = min(self._workers, len(numbers))
        return pieces.map_batches(
            RayWorker,
            fn_constructor_args=(pickle.dumps(work), Seat(self._threads), ledger, __version__),
            batch_size=1,
            batch_format="numpy",
            compute=data.ActorPoolStrategy(
                min_size=1,
                max_size=most,
                initial_size=min(self._at_first, most),
                max_tasks_in_flight_per_actor=_AHEAD,
            ),
            num_cpus=self._threads,
            num_gpus=1 if self._on_gpu else None,
        )

    def _lost(self, error: Exception) -> LithoError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
        return ClusterError(
            f"the Ray cluster at {self._cluster.address} failed: {said or type(error).__name__}"
        )

    def close(self) -> None:
        """End the workers and the connection."""
        with _no_new_connection():
            self._cluster.close()
            for collector in self._collectors:
                collector.join(_END_SECONDS)


@contextmanager
def _no_new_connection() -> Iterator[None]:
    """Ray joins a cluster anew by itself when anything asks it for something; what is being ended must not."""
    hook = sys.modules.get("ray._private.auto_init_hook")
    before = getattr(hook, "enable_auto_connect", None)
    if hook is None or before is None:
        yield
        return
    hook.__dict__["enable_auto_connect"] = False
    try:
        yield
    finally:
        hook.__dict__["enable_auto_connect"] = before


def _collect(dataset: Any, outcomes: queue.Queue[Any], stop: threading.Event) -> None:
    """In a thread: lists of number and outcome as they come, then None, or the exception that ended it."""
    try:
        batches = iter(dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0))
        for batch in batches:
            pairs: list[tuple[int, Outcome]] = [
                (int(number), pickle.loads(bytes(packed)))  # noqa: S301 - from our own workers
                for number, packed in zip(batch["number"], batch["outcome"], strict=True)
            ]
            outcomes.put(pairs)
            if stop.is_set():
                batches.close()  # without the cluster Ray raises here; left to Python it would print a traceback
                return
    except BaseException as error:
        outcomes.put(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))
    else:
        outcomes.put(None)
