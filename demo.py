"""The demo, on real images: train, export, verify, deploy, serve, measure, and a page with the results.

Every step calls the same function as its command. Finished steps are kept: a second call neither trains nor exports
again; it only starts the server for the images and the measurement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .errors import LithoError, ProofError
from .files import check_folder, write_bytes
from .reporting import human_bytes, number, picture_grid, png, render
from .reporting.progress import Progress

if TYPE_CHECKING:
    from .benchmarks.load.documents.result import BenchResult
    from .parity.verify import Verification
    from .serving.server.embedded import EmbeddedServer

__all__ = ["PRESET", "DemoResult", "demo"]

PRESET = "cgan-digits"
TARGETS = ("sm86", "sm120")
_LABELS = np.arange(1000) % 10
"""Digits of the judged pictures."""
LEAST_AGREEMENT = 0.9
"""Smallest share of recognised images with which the demo passes."""

CONCURRENCY = (1, 8, 32)
PAIRS = 6
"""Pairs of windows of the comparison; with these and 30 seconds a window takes more than the second that is judged."""


@dataclass
class DemoResult:
    """The demo's files and measurements.

    Args:
        samples: the grid of served images.
        report: the page.
        agreement: share of served images whose class a nearest-neighbour classifier recognises, 0 to 1.
        variety: mean distance between images of one class, as a share of that between real ones.
        bench: latency and throughput of the endpoint.
        seconds: step -> duration.
    """

    samples: Path
    report: Path
    agreement: float
    variety: float
    bench: BenchResult
    seconds: dict[str, float] = field(default_factory=dict)


def demo(to: Path, *, seconds: float, progress: Progress) -> DemoResult:
    """Run the demo in the directory `to`.

    Args:
        to: directory of all output.
        seconds: duration of the measurement of the endpoint.
        progress: receives the current step and the share of it that is done, 0 to 1.

    Raises:
        LithoError: a step failed; the results of earlier steps are kept and used again.
    """
    from .benchmarks.load.page.page import require_report
    from .serving.server.embedded import EmbeddedServer
    from .training.data.sources import load
    from .training.metrics.pixels import class_diversity, label_agreement

    check_folder(to, "--to")
    require_report()
    took: dict[str, float] = {}
    bundle = _deployed(to, took, progress)
    with EmbeddedServer(to / "model_repository", log=to / "server.log") as server:
        try:
            served = _served(server, bundle, to, seconds, took, progress)
        except LithoError:
            if (cause := server.death()) is None:
                raise
            # Triton 24.10 ends by itself now and then; `litho serve` starts it again too.
            progress(f"the server ended ({cause}) and is started again", 0.0)
            server.restart()
            served = _served(server, bundle, to, seconds, took, progress)
    digits, labels = load("digits"), _LABELS
    agreement = label_agreement(served.images, labels, digits)
    variety = class_diversity(served.images, labels, digits)
    samples = picture_grid(served.grid, columns=10, magnify=2, row_names=[str(digit) for digit in range(10)])
    write_bytes(to / "samples.png", png(samples))
    result = DemoResult(to / "samples.png", to / "report.html", agreement, variety, served.measured, took)
    write_bytes(result.report, _page(result, bundle, served.verified))
    if agreement < LEAST_AGREEMENT:
        raise ProofError(
            f"only {agreement:.1%} of the images were recognised; at least {LEAST_AGREEMENT:.0%} must be; see"
            f" {result.report}"
        )
    return result


@dataclass(frozen=True)
class _Served:
    """What the server gave.

    Args:
        verified: how its pictures compare with PyTorch's.
        grid: ten pictures of each digit.
        images: those that are judged, of the digits `_LABELS`.
        measured: its latency and throughput.
    """

    verified: Sequence[Verification]
    grid: NDArray[np.uint8]
    images: NDArray[np.uint8]
    measured: BenchResult


def _served(
    server: EmbeddedServer,
    bundle: Bundle,
    to: Path,
    seconds: float,
    took: dict[str, float],
    progress: Progress,
) -> _Served:
    """Prove the server's pictures, and fetch and measure them."""
    from .benchmarks import bench
    from .parity.verify import verify
    from .serving.clients.client import Client

    endpoint = f"{server.grpc_url}/{PRESET}"
    with _timed(took, "verify through the server"):
        verified = verify(bundle.path, endpoint=endpoint, progress=progress)
        for outcome in verified:
            if outcome.verdict.status != "passed":
                raise ProofError(
                    f"{outcome.subject} does not give the same pictures: {outcome.verdict.reason}"
                )
    with _timed(took, "images"), Client(server.grpc_url, PRESET) as client:
        grid = client.generate(seed=np.arange(100), label=np.repeat(np.arange(10), 10))
        images = client.generate(seed=np.arange(10_000, 10_000 + len(_LABELS)), label=_LABELS)
    with _timed(took, "measure"):
        measured = bench(
            endpoint,
            against=bundle,
            concurrency=CONCURRENCY,
            pairs=PAIRS,
            seconds=seconds,
            output=to,
            progress=progress,
        )
    return _Served(verified, grid, images, measured)


def _deployed(to: Path, took: dict[str, float], progress: Progress) -> Bundle:
    """Train and export the generator and deploy the bundle; finished steps are kept."""
    from .export.build import export
    from .serving.repository.deploy import deploy
    from .serving.server.environment import install
    from .training.loop import train

    with _timed(took, "server environment"):
        install(progress)
    with _timed(took, "train"):
        progress(f"training {PRESET}", 0.0)
        run = train(PRESET, run=to / "run")
    with _timed(took, "export and verify"):
        runtimes = ("onnxruntime", "tensorrt-rtx")
        bundle = export(
            run,
            to=to / "bundles" / PRESET,
            runtimes=runtimes,
            targets=TARGETS,
            replace=True,  # an earlier litho may have trained other weights here
            progress=progress,
        )
    with _timed(took, "deploy"):
        deploy(bundle, to=to / "model_repository")
    return bundle


def _page(result: DemoResult, bundle: Bundle, verified: Sequence[Verification]) -> str:
    from .benchmarks.load.page.page import view
    from .export.report.page import format_figure, headline
    from .export.report.table import decide

    manifest = bundle.manifest
    decision, bench = decide(str(bundle.path), manifest), view(result.bench)
    return render(
        "demo.html",
        preset=PRESET,
        status="passed" if result.agreement >= LEAST_AGREEMENT else "failed",
        sentence=f"The served images passed the comparison with PyTorch; {result.agreement:.1%} are recognised as the"
        " requested digit. Everything on this page was made and measured on this machine.",
        headline_entries=[*list(headline(manifest))[:3], *bench["headline"]],
        samples=result.samples.read_bytes(),
        agreement=f"{result.agreement:.1%}",
        variety=f"{result.variety:.0%}",
        judged=len(_LABELS),
        decision=decision,
        endpoint=[
            (figure.metric, format_figure(figure))
            for figure in verified[0].verdict.figures
            if not figure.bank
        ],
        bench=bench,
        steps=[(name, f"{number(took)} s") for name, took in result.seconds.items()],
        provenance=[
            ("checkpoint", manifest.checkpoint_sha256),
            ("bundle", human_bytes(sum(record.size_bytes for record in manifest.files.values()))),
            *manifest.environment.items(),
        ],
    )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note how long a step takes, in seconds."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
