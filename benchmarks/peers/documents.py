"""What a comparison with peers found: in this process, and served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field as Constraint

from ...bundle.json_documents import Document, read_as
from ...bundle.manifest import Timing, Verdict
from ...errors import UsageError
from ...runners.base import graph_runtimes, runner_class
from ..shared.machine import Machine
from ..shared.paired import Ratio, paired_ratio

__all__ = [
    "NotMeasured",
    "Peer",
    "Peers",
    "Rounds",
    "Served",
    "ServedLoad",
    "ServedPeer",
    "Trial",
    "Window",
    "plain_graph_name",
    "read_peers",
]

Newest = Literal[1, 2]


class NotMeasured(Document):
    """A peer that was left out.

    Args:
        name: of the peer.
        reason: what is missing here, or that it was not asked for.
    """

    name: str
    reason: str


class Rounds(Document):
    """What each round gave at one batch.

    Args:
        batch: pictures at a time.
        ms: median milliseconds of a call in each round; those of all peers at the same place make a pair.
    """

    batch: int
    ms: tuple[float, ...]


class Peer(Document):
    """One way to make the pictures.

    Args:
        name: what runs where.
        kind: "peer" without litho, "variant" for what litho exported.
        precision: its gate judged the pictures.
        verdict: on the probes.
        timings: for 1, 8 and 32 pictures; empty if it made none.
        versions: package -> version of what it computes with.
        settings: how it was set, in words.
        judged_at: batches at which the probes were replayed.
        rounds: for each batch of the timings; empty in documents of schema 1.
    """

    name: str
    kind: Literal["peer", "variant"]
    precision: str
    verdict: Verdict
    timings: tuple[Timing, ...]
    versions: dict[str, str] = Constraint(default_factory=dict)
    settings: str = ""
    judged_at: tuple[int, ...] = ()
    rounds: tuple[Rounds, ...] = ()

    def speed(self, batch: int) -> float:
        """Pictures per second at a batch."""
        return next(timing.images_per_second for timing in self.timings if timing.batch == batch)

    def times_as_fast(self, other: Peer, batch: int) -> Ratio:
        """Its speed over that of another, from the rounds that both took part in; without rounds a mere ratio."""
        mine, others = (
            next((one.ms for one in peer.rounds if one.batch == batch), ()) for peer in (self, other)
        )
        if not mine or len(mine) != len(others):
            mine, others = (1 / self.speed(batch),), (1 / other.speed(batch),)
        return paired_ratio(others, mine)


class Window(Document):
    """One turn of a server.

    Args:
        images_per_second: pictures of one request each.
        p50_ms: median latency.
        in_flight: mean number of requests in flight.
        requests: that were answered.
        failed: that were not, or with an error.
        cpu_ms: processor time of the server for one picture, in milliseconds.
    """

    images_per_second: float
    p50_ms: float
    in_flight: float
    requests: int
    failed: int
    cpu_ms: float


class ServedLoad(Document):
    """One number of clients.

    Args:
        clients: requests kept in flight.
        windows: one in each round; those of all servers at the same place make a pair.
        p99_ms: latency that 99 % of the requests of all windows kept; None with fewer than 1,000.
    """

    clients: int
    windows: tuple[Window, ...]
    p99_ms: float | None


class Trial(Document):
    """A setting that was tried before the comparison.

    Args:
        settings: in words.
        images_per_second: at each number of clients, in their order; empty if it did not serve.
        reason: why it did not serve; else empty.
    """

    settings: str
    images_per_second: tuple[float, ...]
    reason: str = ""


class ServedPeer(Document):
    """One server.

    Args:
        name: of the server.
        versions: package -> version of what it consists of.
        settings: the best of the trials, in words.
        trials: of all settings.
        verdict: on the pictures that it returned under load.
        loads: for 1, 8 and 32 clients.
        idle_cores: processor time that it took while others were measured, in cores; 0 if it was halted meanwhile.
    """

    name: str
    versions: dict[str, str]
    settings: str
    trials: tuple[Trial, ...]
    verdict: Verdict
    loads: tuple[ServedLoad, ...]
    idle_cores: float

    def load(self, clients: int) -> ServedLoad:
        """What was measured at a number of clients."""
        return next(load for load in self.loads if load.clients == clients)

    def times(self, other: ServedPeer, clients: int, figure: str = "images_per_second") -> Ratio:
        """A figure of a window over that of another server, pair by pair."""
        mine, others = (
            [getattr(window, figure) for window in peer.load(clients).windows] for peer in (self, other)
        )
        return paired_ratio(mine, others)


class Served(Document):
    """The servers of one graph; all answer the same requests over HTTP.

    Args:
        graph: name of the variant whose graph all run.
        seed: of the order of turns.
        seconds: length of a window.
        date: of the measurement, UTC.
        command: that measured it.
        peers: litho's endpoint first.
        not_measured: servers that are missing here.
        machine: where they were measured.
    """

    graph: str
    seed: int
    seconds: float
    date: str
    command: str
    peers: tuple[ServedPeer, ...]
    not_measured: tuple[NotMeasured, ...]
    machine: Machine

    def peer(self, name: str) -> ServedPeer:
        """The server called `name`."""
        return next(peer for peer in self.peers if peer.name == name)


class Peers(Document):
    """A run's variants and their peers; written to `benchmarks/results/peers-PRESET.json`.

    Args:
        schema_version: of this document.
        preset: of the run.
        weights_sha256: of its snapshot.
        recommended: name of the variant that litho recommends for throughput; empty if only servers were measured.
        peers: peers first, then variants; older documents have them as "entrants".
        machine: where they were measured.
        not_measured: peers that are missing here or were left out.
        seed: of the order of turns; None in documents of schema 1.
        threads: that each peer computes with; None in documents of schema 1.
        date: of the measurement, UTC.
        command: that measured it.
        served: the second group; None if it was not measured.
    """

    schema_version: Newest = 2
    preset: str
    weights_sha256: str
    recommended: str
    peers: Annotated[tuple[Peer, ...], Constraint(validation_alias=AliasChoices("peers", "entrants"))]
    machine: Machine
    not_measured: tuple[NotMeasured, ...] = ()
    seed: int | None = None
    threads: int | None = None
    date: str = ""
    command: str = ""
    served: Served | None = None

    def peer(self, name: str) -> Peer:
        """The peer or variant called `name`."""
        return next(peer for peer in self.peers if peer.name == name)

    def best_peer(self, batch: int, *, precision: str | None = None) -> Peer:
        """The fastest peer at a batch whose pictures passed, of one precision or of any.

        Raises:
            UsageError: no peer was measured.
        """
        return _fastest(
            self.peers,
            batch,
            lambda peer: peer.kind == "peer" and precision in (None, peer.precision),
        )

    def ratio(self, batch: int, *, precision: str | None = None) -> Ratio:
        """Speed of the recommended variant over that of the fastest peer, of one precision or of any."""
        return self.peer(self.recommended).times_as_fast(self.best_peer(batch, precision=precision), batch)

    def rewritten(self, batch: int) -> dict[str, Ratio]:
        """Runtime -> speed of the FP32 variant over that of the plain graph."""
        timed = {peer.name: peer for peer in self.peers if peer.timings}
        files = {
            name: f"generator.fp32{'' if name == 'onnxruntime' else f'.{name}'}.onnx"
            for name in graph_runtimes()
        }
        return {
            name: timed[file].times_as_fast(timed[plain_graph_name(name)], batch)
            for name, file in files.items()
            if {file, plain_graph_name(name)} <= set(timed)
        }


def _fastest(peers: tuple[Peer, ...], batch: int, counts: Callable[[Peer], bool]) -> Peer:
    able = [peer for peer in peers if peer.timings and peer.verdict.status == "passed" and counts(peer)]
    if not able:
        raise UsageError("no peer was measured whose pictures passed; leave out fewer of them")
    return max(able, key=lambda peer: peer.speed(batch))


def plain_graph_name(runtime: str) -> str:
    """Name of the peer that runs a graph with only the passes that the runtime needs."""
    runner = runner_class(runtime)
    return f"{runner.title}, plain graph{', noise given' if 'noise_outside' in runner.passes else ''}"


def read_peers(file: Path) -> Peers:
    """Read a document of this or of an older schema.

    Raises:
        SchemaError: the file is not such a document.
        IntegrityError: the file is missing.
    """
    return read_as(Peers, "a comparison with peers", file.parent, file.name, 2)
