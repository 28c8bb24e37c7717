"""Every variant of a run against its peers, which work without litho: `python -m litho.benchmarks.peers runs/NAME`.

All are timed in one process, in turns, with the same number of threads, and judged by the same replay of the same
probes: the table says which fast ones give other pictures. Compare speeds only within a batch, never with another run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import AliasChoices, Field as Constraint

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..bundle.manifest import Timing, Verdict
from ..errors import LithoError
from ..export.build import export
from ..export.precisions import precision_names
from ..export.source import from_run
from ..files import write_bytes
from ..parity.gate import PSNR_MEAN, PSNR_MIN
from ..reporting.markdown import markdown_table
from ..reporting.progress import Progress, quiet
from ..runners import open_runner
from ..runners.base import graph_runtimes
from .candidates import Candidate, prove_and_time
from .machine import Machine, describe_machine
from .peer_makers import make_peers, plain_graph_name

__all__ = ["Peer", "Peers", "compare_with_peers", "main"]

RESULTS = Path(__file__).resolve().parent / "results"


class Peer(Document):
    """One way to make the pictures.

    Args:
        name: what runs where.
        kind: "peer" without litho, "variant" for what litho exported.
        precision: its gate judged the pictures.
        verdict: on the probes.
        timings: for 1, 8 and 32 pictures; empty if it made none.
    """

    name: str
    kind: Literal["peer", "variant"]
    precision: str
    verdict: Verdict
    timings: tuple[Timing, ...]

    def speed(self, batch: int) -> float:
        """Pictures per second at a batch."""
        return next(timing.images_per_second for timing in self.timings if timing.batch == batch)


class Peers(Document):
    """A run's variants and their peers; written to `benchmarks/results/peers-PRESET.json`.

    Args:
        schema_version: of this document.
        preset: of the run.
        weights_sha256: of its snapshot.
        recommended: name of the variant that litho recommends for throughput.
        peers: peers first, then variants; older documents have them as "entrants".
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    preset: str
    weights_sha256: str
    recommended: str
    peers: Annotated[tuple[Peer, ...], Constraint(validation_alias=AliasChoices("peers", "entrants"))]
    machine: Machine

    def peer(self, name: str) -> Peer:
        """The peer or variant called `name`."""
        return next(peer for peer in self.peers if peer.name == name)

    def ratio(self, batch: int, *, precision: str | None = None) -> float:
        """Speed of the recommended variant over that of the fastest peer, of one precision or of any."""
        speeds = [
            peer.speed(batch)
            for peer in self.peers
            if peer.kind == "peer" and peer.timings and precision in (None, peer.precision)
        ]
        return self.peer(self.recommended).speed(batch) / max(speeds)

    def rewritten(self, batch: int) -> dict[str, float]:
        """Runtime -> speed of the FP32 variant over that of the plain graph."""
        speeds = {peer.name: peer.speed(batch) for peer in self.peers if peer.timings}
        files = {
            name: f"generator.fp32{'' if name == 'onnxruntime' else f'.{name}'}.onnx"
            for name in graph_runtimes()
        }
        return {
            name: speeds[file] / speeds[plain_graph_name(name)]
            for name, file in files.items()
            if {file, plain_graph_name(name)} <= set(speeds)
        }


def compare_with_peers(
    run: Path,
    progress: Progress = quiet,
    *,
    precisions: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> Peers:
    """Export a run of one stage, and measure the variants in turns with their peers.

    Args:
        run: a run's directory.
        progress: called with the current step and the share that is done, 0 to 1.
        precisions: of the variants; by default all.
        without: names of peers that are left out.
    """
    source = from_run(run)
    with tempfile.TemporaryDirectory() as folder:
        bundle = export(
            run,
            to=Path(folder) / "bundle",
            precisions=precision_names() if precisions is None else precisions,
            runtimes=tuple(graph_runtimes()),
            progress=progress,
        )
        peers = make_peers(source.pipeline, source.data, without)
        candidates = {**peers, **_variants(bundle)}
        measured = prove_and_time(candidates, bundle.probes(), progress)
        return Peers(
            preset=source.preset or source.family,
            weights_sha256=source.weights_sha256,
            recommended=bundle.manifest.recommended[0],
            peers=tuple(
                Peer(
                    name=name,
                    kind="peer" if name in peers else "variant",
                    precision=candidates[name].precision,
                    verdict=verdict,
                    timings=timings,
                )
                for name, (verdict, timings) in measured.items()
            ),
            machine=describe_machine(),
        )


def _variants(bundle: Bundle) -> dict[str, Candidate]:
    return {
        variant.name: Candidate(variant.precision, partial(open_runner, bundle, variant.name))
        for variant in bundle.manifest.variants
        if variant.timings
    }


def rows(peers: Peers) -> list[str]:
    """The table in Markdown, and the ratios below it."""
    table = []
    for peer in peers.peers:
        figures = {figure.metric: figure.value for figure in peer.verdict.figures if not figure.bank}
        table.append(
            (
                f"**{peer.name}**" if peer.name == peers.recommended else peer.name,
                peer.precision,
                peer.verdict.status,
                *(_decibels(figures.get(metric)) for metric in (PSNR_MIN, PSNR_MEAN)),
                *([f"{timing.images_per_second:,.0f}" for timing in peer.timings] or ["–"] * 3),
            )
        )
    columns = ("", "precision", "gate", "PSNR min (dB)", "mean", "images/s at 1", "at 8", "at 32")
    lines = [*markdown_table(columns, table), ""]
    for batch in (timing.batch for timing in peers.peer(peers.recommended).timings):
        lines.append(
            f"At batch {batch} the recommended variant is {peers.ratio(batch, precision='fp32'):.2f} times as fast as"
            f" the best FP32 peer and {peers.ratio(batch):.2f} times as fast as the best peer; FP32 with graph passes"
            " against the plain graph: "
            + ", ".join(f"{name} {ratio:.2f}" for name, ratio in peers.rewritten(batch).items())
            + "."
        )
    return lines


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def main(
    run: Annotated[
        Path, typer.Argument(help="Run directory of a generator with one stage.", show_default=False)
    ],
    precision: Annotated[
        str, typer.Option(help="Precisions of the variants, separated by commas; by default all.")
    ] = "",
    without: Annotated[
        list[str] | None, typer.Option(help="Name of a peer to leave out; repeatable.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="JSON file; default: benchmarks/results/peers-PRESET.json.")
    ] = None,
) -> None:
    """Measure a run's variants in turns with peers that work without litho."""
    try:
        peers = compare_with_peers(
            run,
            lambda step, share: typer.echo(f"{step} {share:.0%}", err=True),
            precisions=[name for name in precision.split(",") if name] or None,
            without=without or (),
        )
    except LithoError as error:
        typer.echo(f"peers: error: {error}", err=True)
        raise typer.Exit(1) from None
    write_bytes(
        output or RESULTS / f"peers-{peers.preset}.json", json.dumps(peers.model_dump(), indent=1) + "\n"
    )
    typer.echo("\n".join(rows(peers)))


if __name__ == "__main__":
    typer.run(main)
