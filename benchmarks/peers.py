"""Every variant of a run against what one would use without litho: `python -m litho.benchmarks.peers runs/NAME`.

All are timed in one process, in turns, with the same number of threads, and all are judged by the same replay of the
same probes: what is fast and paints other pictures is said to. Speeds are compared within a batch, never with figures
of another run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..bundle.manifest import Timing, Verdict
from ..bundle.probes import Probes
from ..errors import LithoError
from ..export.build import export
from ..export.graph import export_graph
from ..export.passes import apply_passes
from ..export.pipeline import Pipeline
from ..export.precisions import precision, precision_names
from ..export.source import from_run
from ..export.timing import time_in_turns
from ..files import write_bytes
from ..parity.gate import judge, replay
from ..runners import open_runner
from ..runners.base import Runner, runner_class
from ..runners.torch import Runner as TorchRunner
from .machine import Machine, describe_machine

__all__ = ["Peer", "Peers", "compare_with_peers", "main"]

RESULTS = Path(__file__).resolve().parent / "results"

Open = Callable[[], AbstractContextManager[Runner]]


class Peer(Document):
    """One way to make the pictures.

    Args:
        name: what runs where.
        kind: "peer" for what litho is compared with, "variant" for what it exported.
        precision: whose gate judged it.
        verdict: on the probes.
        timings: for one picture, eight and thirty-two.
    """

    name: str
    kind: Literal["peer", "variant"]
    precision: str
    verdict: Verdict
    timings: tuple[Timing, ...]

    def speed(self, batch: int) -> float:
        """Pictures a second at a batch."""
        return next(timing.images_per_second for timing in self.timings if timing.batch == batch)


class Peers(Document):
    """A run's variants and their peers; written to `benchmarks/results/peers-PRESET.json`.

    Args:
        schema_version: of this document.
        preset: that the run was trained by.
        weights_sha256: of its snapshot.
        recommended: name of the variant that litho would take for throughput.
        entrants: peers first.
        machine: that they were measured on.
    """

    schema_version: Literal[1] = 1
    preset: str
    weights_sha256: str
    recommended: str
    entrants: tuple[Peer, ...]
    machine: Machine

    def entrant(self, name: str) -> Peer:
        """The entrant called `name`."""
        return next(entrant for entrant in self.entrants if entrant.name == name)

    def ratio(self, batch: int, *, precision: str | None = None) -> float:
        """Speed of the recommended variant over that of the fastest peer, of one precision or of any."""
        peers = [
            entrant.speed(batch)
            for entrant in self.entrants
            if entrant.kind == "peer" and precision in (None, entrant.precision)
        ]
        return self.entrant(self.recommended).speed(batch) / max(peers)

    def rewritten(self, batch: int) -> dict[str, float]:
        """Runtime -> speed of the FP32 variant over that of the plain graph."""
        plain = {"onnxruntime": "ONNX Runtime, plain graph", "openvino": "OpenVINO, plain graph, noise given"}
        file = {"onnxruntime": "generator.fp32.onnx", "openvino": "generator.fp32.openvino.onnx"}
        return {
            name: self.entrant(file[name]).speed(batch) / self.entrant(plain[name]).speed(batch)
            for name in plain
        }


def compare_with_peers(run: Path, progress: Callable[[str, float], None] = lambda step, share: None) -> Peers:
    """Export a run of one stage in every precision, and measure the variants in turns with their peers.

    Args:
        run: a run's directory.
        progress: told what is being done.
    """
    source = from_run(run)
    with tempfile.TemporaryDirectory() as folder:
        bundle = export(
            run,
            to=Path(folder) / "bundle",
            precisions=precision_names(),
            runtimes=("onnxruntime", "openvino"),
            progress=progress,
        )
        probes = bundle.probes()
        opened = {**_peers(source.pipeline), **_variants(bundle)}
        entrants = _measured(opened, probes, progress)
        return Peers(
            preset=source.preset or source.family,
            weights_sha256=source.weights_sha256,
            recommended=bundle.manifest.recommended[0],
            entrants=entrants,
            machine=describe_machine(),
        )


def _measured(
    opened: Mapping[str, tuple[Literal["peer", "variant"], str, Open]],
    probes: Probes,
    progress: Callable[[str, float], None],
) -> tuple[Peer, ...]:
    verdicts: dict[str, Verdict] = {}
    for name, (_, lowered, entrant) in opened.items():
        progress(f"replaying the probes: {name}", 0.0)
        with entrant() as runner:
            verdicts[name] = judge([replay(runner, probes, 8)], probes.images, precision(lowered).gate)
    timings = time_in_turns(
        {name: entrant for name, (*_, entrant) in opened.items()},
        lambda share: progress("timing all in turns", share),
    )
    return tuple(
        Peer(name=name, kind=kind, precision=lowered, verdict=verdicts[name], timings=timings[name])
        for name, (kind, lowered, _) in opened.items()
    )


def _variants(bundle: Bundle) -> dict[str, tuple[Literal["peer", "variant"], str, Open]]:
    return {
        variant.name: ("variant", variant.precision, partial(open_runner, bundle, variant.name))
        for variant in bundle.manifest.variants
        if variant.timings
    }


def _peers(pipeline: Pipeline) -> dict[str, tuple[Literal["peer", "variant"], str, Open]]:
    plain = export_graph(pipeline.model, pipeline.signature, {})
    noise_given, _ = apply_passes(plain, runner_class("openvino").passes)

    def graph(runtime: str, content: bytes) -> Open:
        return partial(runner_class(runtime).from_graph, content, pipeline.signature)

    return {
        "torch eager": ("peer", "fp32", partial(TorchRunner, pipeline.model)),
        "torch.compile": ("peer", "fp32", partial(TorchRunner, pipeline.model, compiled=True)),
        "torch BF16, channels last": ("peer", "bf16", partial(TorchRunner, pipeline.model, bf16=True)),
        "ONNX Runtime, plain graph": ("peer", "fp32", graph("onnxruntime", plain)),
        "OpenVINO, plain graph, noise given": ("peer", "fp32", graph("openvino", noise_given)),
    }


def rows(peers: Peers) -> list[str]:
    """The table in Markdown, and the ratios below it."""
    lines = [
        "| | precision | gate | PSNR min (dB) | images/s at 1 | at 8 | at 32 |",
        "|---|---|---|---|---|---|---|",
    ]
    for entrant in peers.entrants:
        quality = next(
            (figure.value for figure in entrant.verdict.figures if figure.metric.startswith("PSNR min")), None
        )
        name = f"**{entrant.name}**" if entrant.name == peers.recommended else entrant.name
        speeds = " | ".join(f"{timing.images_per_second:,.0f}" for timing in entrant.timings)
        shown = "–" if quality is None else f"{quality:.1f}"
        lines.append(f"| {name} | {entrant.precision} | {entrant.verdict.status} | {shown} | {speeds} |")
    batches = [timing.batch for timing in peers.entrants[0].timings]
    lines.append("")
    for batch in batches:
        lines.append(
            f"At batch {batch} the recommended variant is {peers.ratio(batch, precision='fp32'):.2f} times as fast as"
            f" the best FP32 peer and {peers.ratio(batch):.2f} times as fast as the best of all; FP32 with rewrites"
            f" against the plain graph: "
            + ", ".join(f"{name} {ratio:.2f}" for name, ratio in peers.rewritten(batch).items())
            + "."
        )
    return lines


def main(
    run: Annotated[Path, typer.Argument(help="A run of a generator of one stage.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="JSON file; by default benchmarks/results/peers-PRESET.json.")
    ] = None,
) -> None:
    """Measure a run's variants in turns with what one would use without litho."""
    try:
        peers = compare_with_peers(run, lambda step, share: typer.echo(f"{step} {share:.0%}", err=True))
    except LithoError as error:
        typer.echo(f"peers: error: {error}", err=True)
        raise typer.Exit(1) from None
    write_bytes(
        output or RESULTS / f"peers-{peers.preset}.json", json.dumps(peers.model_dump(), indent=1) + "\n"
    )
    typer.echo("\n".join(rows(peers)))


if __name__ == "__main__":
    typer.run(main)
