"""Measures a run's variants and their peers: `python -m litho.benchmarks.peers runs/NAME`.

In this process: all are timed in rounds of drawn order, with the same number of threads, and judged by the same
probes: the table says which fast ones give other pictures. With `--served`: litho's endpoint and other servers run the
same graph, one is under load at a time. Compare speeds only within a batch or load, never with another run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from ...bundle import Bundle
from ...errors import UsageError
from ...export.build import export
from ...export.precisions import precision_names
from ...export.source import Source as Exported, from_run
from ...extras import require
from ...reporting.progress import Progress, quiet
from ...runners import open_runner
from ...runners.base import installed_graph_runtimes, runner_class
from ..shared.candidates import Candidate
from ..shared.command import RESULTS, check_results, errors_of, finish, show_progress
from ..shared.machine import describe_machine
from .documents import Peer, Peers, Served, read_peers
from .in_process.base import Form, Made, Source, make_peers
from .served.base import install
from .served_turns import ServedPlan, compare_servers
from .table import rows, served_rows
from .turns import Times, time_in_rounds

__all__ = ["Wanted", "compare_served", "compare_with_peers", "main"]


@dataclass(frozen=True)
class Wanted:
    """What is measured.

    Args:
        precisions: of the variants; None for all.
        without: names of peers that are left out.
        rounds: turns of each peer at each batch.
        seed: of their order.
        device: "cpu" or "cuda".
    """

    precisions: Sequence[str] | None = None
    without: Sequence[str] = ()
    rounds: int = 9
    seed: int = 0
    device: str = "cpu"


def compare_with_peers(run: Path, wanted: Wanted | None = None, progress: Progress = quiet) -> Peers:
    """Export a run of one stage, and measure the variants in turns with their peers in this process.

    Args:
        run: a run's directory.
        wanted: what is measured.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UnknownName: there is no such peer.
        LithoError: the run cannot be exported, or something failed while it was timed.
    """
    wanted = wanted or Wanted()
    threads = len(os.sched_getaffinity(0))
    require("torch", "train").set_num_threads(threads)  # as many as every other runtime takes
    source = from_run(run)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _export(run, Path(folder), wanted, progress)
        progress("making peers", 0.0)
        made, missing = make_peers(Source(source.pipeline, source.data, wanted.device), wanted.without)
        every = {**made, **_variants(bundle, wanted.device)}
        probes = bundle.probes()
        verdicts = {}
        for number, (name, one) in enumerate(every.items()):
            progress(f"replaying {name}", number / len(every))
            verdicts[name] = one.form.candidate.prove(probes)
        able = {name: every[name].form.candidate.opens for name, one in verdicts.items() if one.figures}
        report = partial(progress, "timing all in turns")
        times = time_in_rounds(able, Random(wanted.seed), wanted.rounds, report)
        measured = []
        for name, one in every.items():
            timed = times.get(name, Times((), ()))
            measured.append(
                Peer(
                    name=name,
                    kind="peer" if name in made else "variant",
                    precision=one.form.candidate.precision,
                    verdict=verdicts[name],
                    timings=timed.timings,
                    rounds=timed.rounds,
                    versions=one.versions,
                    settings=one.form.settings,
                    judged_at=one.form.candidate.batches,
                )
            )
        return Peers(
            preset=source.preset or source.family,
            weights_sha256=source.weights_sha256,
            recommended=bundle.manifest.recommended[0],
            peers=tuple(measured),
            machine=describe_machine(),
            not_measured=missing,
            seed=wanted.seed,
            threads=threads,
            date=datetime.now(UTC).date().isoformat(),
        )


def _export(run: Path, folder: Path, wanted: Wanted, progress: Progress) -> Bundle:
    return export(
        run,
        to=folder / "bundle",
        precisions=precision_names() if wanted.precisions is None else wanted.precisions,
        runtimes=installed_graph_runtimes(wanted.device),
        progress=progress,
    )


def _variants(bundle: Bundle, device: str) -> dict[str, Made]:
    found = {}
    for variant in bundle.manifest.variants:
        if variant.timings:
            opens = partial(open_runner, bundle, variant.name, device=device)
            runner = runner_class(variant.runtime)
            versions = {
                name: one for name, one in describe_machine().versions.items() if name in runner.packages
            }
            found[variant.name] = Made(Form(Candidate(variant.precision, opens)), versions)
    return found


def compare_served(
    run: Path, plan: ServedPlan | None = None, precision: str = "fp32", progress: Progress = quiet
) -> Peers:
    """Export a run of one stage for ONNX Runtime, and measure litho's endpoint in turns with other servers.

    Args:
        run: a run's directory.
        plan: what is measured.
        precision: of the graph that all serve.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: the run cannot be exported, its pictures did not pass, or litho's endpoint failed.
    """
    source = from_run(run)
    with tempfile.TemporaryDirectory() as folder:
        bundle = export(
            run,
            to=Path(folder) / "bundle",
            precisions=(precision,),
            runtimes=("onnxruntime",),
            timed=False,
            progress=progress,
        )
        served = compare_servers(bundle, f"generator.{precision}.onnx", plan or ServedPlan(), progress)
    return _only_served(source, served)


def _only_served(source: Exported, served: Served) -> Peers:
    return Peers(
        preset=source.preset or source.family,
        weights_sha256=source.weights_sha256,
        recommended="",
        peers=(),
        machine=served.machine,
        served=served,
    )


def combined(file: Path, measured: Peers) -> Peers:
    """What was measured, with the other group of the document that is there, if it is of the same weights."""
    if not file.is_file():
        return measured
    before = read_peers(file)
    if before.weights_sha256 != measured.weights_sha256:
        return measured
    if measured.peers:
        return measured.model_copy(update={"served": before.served})
    return before.model_copy(update={"served": measured.served, "schema_version": 2})


def main(  # noqa: PLR0913 - a parameter for each option
    run: Annotated[
        Path | None, typer.Argument(help="Run directory of a generator with one stage.", show_default=False)
    ] = None,
    served: Annotated[
        bool, typer.Option("--served", help="Measure servers instead, at 1, 8 and 32 clients.")
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            help="Of the variants, separated by commas; by default all. Of servers one, by default fp32."
        ),
    ] = "",
    without: Annotated[list[str] | None, typer.Option(help="Peer to leave out; repeatable.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds; default 9, of servers 7.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a window of servers; default 3.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of turns.")] = 0,
    on: Annotated[str, typer.Option(help="cpu, or gpu for the peers that need one.")] = "cpu",
    output: Annotated[
        Path | None, typer.Option(help="JSON file; default: benchmarks/results/peers-PRESET.json.")
    ] = None,
    install_peers: Annotated[
        bool, typer.Option("--install", help="Install PyTriton's environment first.")
    ] = False,
) -> None:
    """Measure a run's variants in turns with peers that work without litho."""
    with errors_of("peers", output):
        if install_peers:
            typer.echo(f"installed at {install()}", err=True)
        if run is None:
            if install_peers:
                return
            raise UsageError("no run was given; give the directory of one, such as runs/dcgan64-emoji")
        if on not in ("cpu", "gpu"):
            raise UsageError(f"--on was given {on!r}; allowed is cpu or gpu")
        check_results(output)
        device = {"cpu": "cpu", "gpu": "cuda"}[on]
        precisions = [name for name in precision.split(",") if name]
        if served:
            measured = _served(run, precisions, device, ServedPlan.of(rounds, seconds, seed, without or ()))
        elif seconds is not None:
            raise UsageError("--seconds is the length of a window of servers; add --served, or give --rounds")
        else:
            wanted = Wanted(precisions or None, without or (), rounds or Wanted.rounds, seed, device)
            measured = compare_with_peers(run, wanted, show_progress)
        measured = _with_command(
            measured, " ".join(["python -m litho.benchmarks.peers", *_words(run, output)])
        )
        file = output or RESULTS / f"peers-{measured.preset}{'' if device == 'cpu' else '-gpu'}.json"
        document = combined(file, measured)
    finish(file, document, served_rows(measured.served) if measured.served else rows(measured))


def _served(run: Path, precisions: Sequence[str], device: str, plan: ServedPlan) -> Peers:
    if device != "cpu":
        raise UsageError("--served measures servers on the CPU; leave out --on gpu")
    if len(precisions) > 1:
        raise UsageError(f"--served takes one precision; {', '.join(precisions)} were given")
    return compare_served(run, plan, precisions[0] if precisions else "fp32", show_progress)


def _words(run: Path, output: Path | None) -> list[str]:
    """The arguments, without folders of this machine."""
    words = [f"runs/{run.resolve().name}" if word == str(run) else word for word in sys.argv[1:]]
    return [output.name if word == str(output) else word for word in words] if output else words


def _with_command(measured: Peers, command: str) -> Peers:
    if measured.served:
        return measured.model_copy(update={"served": measured.served.model_copy(update={"command": command})})
    return measured.model_copy(update={"command": command})
