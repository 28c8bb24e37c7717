"""Measures servers in turns: all are started, one is under load at a time, and the order of every round is drawn.

The load generator of `litho bench` keeps requests in flight over Triton's HTTP, the same bytes for all. Some requests
ask for the picture of a probe, and what comes back is judged as the pictures of a variant are.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...bundle.manifest import Verdict
from ...errors import LithoError, UnknownName, UsageError
from ...export.timing import in_turns
from ...parity.gate import Replay, judge, limits
from ...reporting.progress import Progress
from ...signature import Signature
from ..load.generator import Kind, Outcomes, Picks, Plan, Site
from ..load.generator.processes import Running as LoadProcesses
from ..shared.machine import describe_machine
from .documents import NotMeasured, Served, ServedLoad, ServedPeer, Trial, Window
from .served.base import Peer, Running, Setting, Work, check_signature, served_peers

__all__ = ["Load", "ServedPlan", "best_setting", "compare_servers"]

_WARM_SECONDS = 0.5
_TRIAL_SECONDS, _PASSES = 1.5, 2
_ENOUGH_FOR_P99 = 1000
_PICK_EVERY = 8
"""One of so many requests asks for the picture of a probe; the others have seeds of their own."""

_JUDGED = 64
"""Pictures of each window that are judged."""


@dataclass(frozen=True)
class ServedPlan:
    """What is measured.

    Args:
        clients: numbers of requests in flight.
        rounds: windows of each server at each number of clients.
        seconds: length of a window.
        seed: of the order of turns.
        without: names of servers that are left out.
        trials: whether settings are tried; else the first of each server is measured.
    """

    clients: tuple[int, ...] = (1, 8, 32)
    rounds: int = 7
    seconds: float = 3.0
    seed: int = 0
    without: tuple[str, ...] = ()
    trials: bool = True

    @classmethod
    def of(cls, rounds: int | None, seconds: float | None, seed: int, without: Sequence[str] = ()) -> Self:
        """A plan from options, of which None is the default.

        Raises:
            UsageError: the windows have no length.
        """
        if seconds is not None and seconds <= 0:
            raise UsageError(f"--seconds was given {seconds:g}; a window has a length above 0")
        return cls(
            rounds=cls.rounds if rounds is None else rounds,
            seconds=cls.seconds if seconds is None else seconds,
            seed=seed,
            without=tuple(without),
        )


@dataclass
class _Turn:
    """What one window gave.

    Args:
        window: its figures.
        latencies_ms: of the requests that ended in it.
        pictures: that came back, UINT8 of shape (count, height, width, channels).
        numbers: of their probes.
    """

    window: Window
    latencies_ms: NDArray[np.float64]
    pictures: NDArray[np.uint8]
    numbers: tuple[int, ...]


@dataclass
class _Server:
    """A server in the comparison.

    Args:
        peer: that it is.
        running: where it answers.
        setting: that it runs with.
        trials: of its settings.
        turns: number of clients -> what its windows gave.
        own_seconds: time of its own turns.
        own_cpu: processor seconds that it took in them.
    """

    peer: Peer
    running: Running
    setting: Setting
    trials: tuple[Trial, ...]
    turns: dict[int, list[_Turn]] = field(default_factory=dict)
    own_seconds: float = 0.0
    own_cpu: float = 0.0


def compare_servers(bundle: Bundle, variant: str, plan: ServedPlan, progress: Progress) -> Served:
    """Start all servers with their best settings, and measure them in turns.

    Args:
        bundle: of one stage.
        variant: whose graph they serve, in ONNX Runtime.
        plan: what is measured.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UnknownName: there is no such server.
        UsageError: the generator takes more than numbers.
        LithoError: litho's endpoint failed, or pictures of a server stopped coming.
    """
    check_signature(bundle.manifest.stages[0].signature)
    peers = _chosen(plan.without)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        load = Load(bundle, variant, Path(folder))
        servers, missing = _start(stack, peers, load, plan, progress)
        start, idle_from = time.perf_counter(), [one.running.cpu_seconds() for one in servers]
        _measure(servers, load, plan, progress)
        took = time.perf_counter() - start
        measured = []
        for server, before in zip(servers, idle_from, strict=True):
            idle = server.running.cpu_seconds() - before - server.own_cpu
            measured.append(_measured(server, load, max(0.0, idle) / max(took - server.own_seconds, 1e-9)))
    return Served(
        graph=variant,
        seed=plan.seed,
        seconds=plan.seconds,
        date=datetime.now(UTC).date().isoformat(),
        command="",
        peers=tuple(measured),
        not_measured=tuple(missing),
        machine=describe_machine(),
    )


def _chosen(without: Collection[str]) -> dict[str, Peer | str]:
    """Name -> server, or why it is left out."""
    peers = served_peers()
    for name in without:
        if name not in peers or name == "litho":
            raise UnknownName("server", name, [one for one in peers if one != "litho"])
    return {name: "it was left out with --without" if name in without else one for name, one in peers.items()}


def _start(
    stack: ExitStack, peers: Mapping[str, Peer | str], load: Load, plan: ServedPlan, progress: Progress
) -> tuple[list[_Server], list[NotMeasured]]:
    servers: list[_Server] = []
    missing: list[NotMeasured] = []
    for number, (name, peer) in enumerate(peers.items()):
        reason = peer if isinstance(peer, str) else peer.lacks()
        if reason or isinstance(peer, str):
            missing.append(NotMeasured(name=name, reason=reason))
            continue
        progress(f"trying settings of {peer.title}", number / len(peers))
        trials = _try_settings(peer, load, plan, Random(plan.seed))
        best = best_setting(trials)
        if best is None:
            if name == "litho":
                raise LithoError(f"litho's endpoint could not be measured: {trials[0][1].reason}")
            missing.append(NotMeasured(name=name, reason=trials[0][1].reason))
            continue
        servers.append(
            _Server(peer, _no_server(load.work.signature), best, tuple(trial for _, trial in trials))
        )
    # Only now, so that none is idle beside a trial.
    for server in servers:
        server.running = stack.enter_context(server.peer.serve(load.work, server.setting))
        # Before the server is ended: one that was stopped would not hear of it.
        stack.callback(server.running.halt, halted=False)
        server.running.halt(halted=True)
    return servers, missing


def _no_server(signature: Signature) -> Running:
    return Running(Site(signature, "", ""), 0)


def _try_settings(peer: Peer, load: Load, plan: ServedPlan, random: Random) -> list[tuple[Setting, Trial]]:
    """Try each setting `_PASSES` times, in drawn order; without trials take the first as it is."""
    settings = list(peer.settings()) if plan.trials else list(peer.settings())[:1]
    speeds: dict[str, list[list[float]]] = {setting.words: [] for setting in settings}
    reasons: dict[str, str] = {}
    for _ in range(_PASSES if plan.trials else 0):
        for setting in random.sample(settings, len(settings)):
            if setting.words in reasons:
                continue
            try:
                with peer.serve(load.work, setting) as running:
                    turns = [load.turn(running, clients, _TRIAL_SECONDS) for clients in plan.clients]
                speeds[setting.words].append([turn.window.images_per_second for turn in turns])
            except LithoError as error:
                reasons[setting.words] = str(error)
    return [(setting, _trial(setting, speeds[setting.words], reasons)) for setting in settings]


def _trial(setting: Setting, speeds: list[list[float]], reasons: Mapping[str, str]) -> Trial:
    reason = reasons.get(setting.words, "")
    means = () if reason else tuple(statistics.fmean(one) for one in zip(*speeds, strict=True))
    return Trial(settings=setting.words, images_per_second=means, reason=reason)


def best_setting(trials: list[tuple[Setting, Trial]]) -> Setting | None:
    """The setting with the greatest geometric mean over the numbers of clients."""
    able = [(setting, trial) for setting, trial in trials if not trial.reason]
    if not able:
        return None
    return max(able, key=lambda one: statistics.geometric_mean(one[1].images_per_second or (1.0,)))[0]


def _measure(servers: list[_Server], load: Load, plan: ServedPlan, progress: Progress) -> None:
    random = Random(plan.seed)

    def turn(server: _Server, clients: int) -> None:
        server.running.halt(halted=False)
        before, start = server.running.cpu_seconds(), time.perf_counter()
        server.turns.setdefault(clients, []).append(load.turn(server.running, clients, plan.seconds))
        server.own_cpu += server.running.cpu_seconds() - before
        server.own_seconds += time.perf_counter() - start
        server.running.halt(halted=True)

    # A round has every server at every load: the two sides of a pair are as near as the draw has them.
    turns = {
        f"{server.peer.title} {clients}": partial(turn, server, clients)
        for server in servers
        for clients in plan.clients
    }
    for number, _ in enumerate(islice(in_turns(turns, random=random), plan.rounds), 1):
        progress("measuring in turns", number / plan.rounds)


def _measured(server: _Server, load: Load, idle_cores: float) -> ServedPeer:
    loads, replays = [], []
    for clients, turns in sorted(server.turns.items()):
        latencies = np.concatenate([turn.latencies_ms for turn in turns])
        p99 = float(np.percentile(latencies, 99)) if len(latencies) >= _ENOUGH_FOR_P99 else None
        loads.append(ServedLoad(clients=clients, windows=tuple(turn.window for turn in turns), p99_ms=p99))
        replays += [load.replay(turn) for turn in turns]
    return ServedPeer(
        name=server.peer.title,
        versions=server.peer.versions(),
        settings=server.setting.words,
        trials=server.trials,
        verdict=load.judged(replays),
        loads=tuple(loads),
        idle_cores=idle_cores,
    )


class Load:
    """What is asked of every server, and what is looked at in its answers.

    Args:
        bundle: of one stage.
        variant: that is served.
        folder: for files.
    """

    def __init__(self, bundle: Bundle, variant: str, folder: Path) -> None:
        self.work = Work(bundle, variant, folder)
        self._probes = bundle.probes()
        self._precision = bundle.variant(variant).precision
        self._kinds = [
            Kind(self._probes.chosen([number]).inputs) for number in range(len(self._probes.images))
        ]

    def turn(self, running: Running, clients: int, seconds: float) -> _Turn:
        """Load a server, and look at what it answered.

        Raises:
            LithoError: no answers came.
        """
        plan = Plan(self._kinds, in_flight=clients, picks=Picks(_PICK_EVERY, self._kinds))
        with LoadProcesses(plan, running.site) as load:
            load.begin()
            start, before = load.wait(_WARM_SECONDS), running.cpu_seconds()
            end, cpu = load.wait(seconds), running.cpu_seconds() - before
            outcomes = load.end()
        return self._turn(outcomes, start, end, cpu)

    def _turn(self, outcomes: Outcomes, start: float, end: float, cpu: float) -> _Turn:
        inside = (outcomes.ended >= start) & (outcomes.ended < end)
        answered = inside & outcomes.answered
        count = int(answered.sum())
        if not count:
            said = "".join(f": {words}" for words in list(outcomes.errors)[:1])
            raise LithoError(f"no picture came in {end - start:.1f} seconds{said}")
        latencies = outcomes.latency_ms[answered]
        window = Window(
            images_per_second=count / (end - start),
            p50_ms=float(np.median(latencies)),
            in_flight=outcomes.in_flight(start, end),
            requests=count,
            failed=int(inside.sum()) - count,
            cpu_ms=cpu * 1e3 / count,
        )
        judged = outcomes.picked[:_JUDGED]
        pictures = np.frombuffer(b"".join(one.pictures for one in judged), np.uint8)
        pictures = pictures.reshape(-1, *self.work.picture_shape())
        return _Turn(window, latencies, pictures, tuple(one.kind for one in judged))

    def replay(self, turn: _Turn) -> Replay:
        """The pictures of a turn beside those that PyTorch made."""
        expected = self._probes.images[list(turn.numbers)]
        return Replay(self._probes.strided(turn.pictures), expected)

    def judged(self, replays: Sequence[Replay]) -> Verdict:
        """The verdict on all pictures of a server."""
        return judge(replays, limits(self._precision))
