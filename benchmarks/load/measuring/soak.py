"""Measure the memory of client and server under a long load."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....errors import LithoError, UsageError
from ....extras import require
from ....reporting.progress import Progress, quiet
from ...shared.targets import Target, address_of, opened, target_name
from ..documents.result import MemorySample, SoakResult
from .in_flight import RequestsInFlight, overlaps
from .requests import Requests
from .server_process import server_process

__all__ = ["soak"]

SAMPLES = 20
_SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - where the kernel keeps POSIX shared memory


def soak(  # noqa: PLR0913
    target: Target,
    requests: int = 10_000,
    in_flight: int = 32,
    *,
    settled_after: int = 1000,
    server_process_id: int | None = None,
    batch: int = 1,
    cancel_every: int = 0,
    progress: Progress = quiet,
) -> SoakResult:
    """Send `requests` requests and sample the resident memory meanwhile.

    Args:
        target: an open runner, or any target of `open_runner`.
        requests: number of requests, more than `settled_after`.
        in_flight: requests in flight; a runner in this process always has one.
        settled_after: number of requests after which memory should have reached its level.
        server_process_id: of the server on this machine, counted with its children; by default the process that
            listens on the endpoint's port, if it is on this machine and visible.
        batch: images in a request.
        cancel_every: every so many requests one is taken back while it is in flight; 0 for none.
        progress: called with the step and the share that is done, in [0, 1].

    Raises:
        UsageError: `requests` is not more than `settled_after`, or there is no such process.
        MissingExtra: psutil is not installed.
        LithoError: no request succeeded, or the runner stopped answering.
    """
    psutil = require("psutil", "bench")
    if not 0 < settled_after < requests or in_flight < 1:
        raise UsageError(
            f"a soak was given {requests} requests, {in_flight} in flight; it takes more than {settled_after}"
            " requests, after which memory should be settled, and at least 1 in flight"
        )
    marks = {settled_after, *(round(requests * step / SAMPLES) for step in range(1, SAMPLES))}
    with opened(target) as runner:
        process_id = server_process_id or server_process(address_of(runner))
        if process_id is not None and not psutil.pid_exists(process_id):
            raise UsageError(
                f"there is no process {process_id} on this machine; give that of the running server"
            )
        fresh = Requests(runner.signature, int.from_bytes(os.urandom(7)))
        asked = RequestsInFlight(runner, fresh, batch=batch, cancel_every=cancel_every)
        concurrency = min(in_flight, requests) if overlaps(runner) else 1
        samples, errors, cancelled = [_sample(psutil, 0, process_id)], Counter[str](), 0
        start = time.perf_counter()
        asked.start(concurrency)
        for ended in range(1, requests + 1):
            outcome = asked.take()
            if isinstance(outcome.error, CancelledError):
                cancelled += 1
            elif outcome.error is not None:
                errors[outcome.message] += 1
            if ended + asked.count < requests:
                asked.start()
            if ended in marks:
                samples.append(_sample(psutil, ended, process_id))
                progress(f"{runner.name}: {ended} of {requests} requests", ended / requests)
        seconds = time.perf_counter() - start
        samples.append(_sample(psutil, requests, process_id))
    failed = sum(errors.values())
    if failed == requests:
        raise LithoError(f"none of {requests} requests succeeded; the first error: {next(iter(errors))}")
    return SoakResult(
        target=target_name(target),
        in_flight=concurrency,
        batch=batch,
        requests=requests - failed - cancelled,
        errors=dict(errors),
        cancelled=cancelled,
        seconds=seconds,
        settled_after=settled_after,
        samples=tuple(samples),
    )


def _sample(psutil: Any, requests: int, process_id: int | None) -> MemorySample:
    client = psutil.Process().memory_info().rss
    if process_id is None:
        return MemorySample(requests=requests, client_bytes=client, server_bytes=None)
    try:
        root = psutil.Process(process_id)
        server, children = root.memory_info().rss, root.children(recursive=True)
    except psutil.NoSuchProcess:
        raise LithoError(f"server process {process_id} ended during the soak; look at its log") from None
    stubs = sum(_resident(psutil, child) for child in children)
    return MemorySample(
        requests=requests,
        client_bytes=client,
        server_bytes=server + stubs,
        children_bytes=stubs,
        shared_memory_bytes=_shared_bytes([process_id, *(child.pid for child in children)]),
    )


def _resident(psutil: Any, process: Any) -> int:
    """Resident bytes of a process; a child that ends meanwhile does not count."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _shared_bytes(process_ids: Iterable[int]) -> int:
    """Bytes of the regions of POSIX shared memory that some processes have mapped; each region counts once."""
    regions = set[Path]()
    for process_id in process_ids:
        with suppress(OSError):  # the process ended
            lines = Path(f"/proc/{process_id}/maps").read_text().splitlines()
            regions |= {Path(line.split(maxsplit=5)[5]) for line in lines if _SHARED_MEMORY in line}
    return sum(region.stat().st_size for region in regions if region.exists())
