"""The whole way once, on real images: train, export, prove, deploy, serve, measure, and a page that shows it.

Every step is the public one that its command calls. What is done stays done: a second call trains and exports
nothing again, and starts the server for the pictures and the measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .errors import ProofError
from .files import write_bytes
from .reporting import human_bytes, number, picture_grid, png, render

if TYPE_CHECKING:
    from .benchmarks.load.documents import BenchResult
    from .parity.verify import Verification
    from .serving.client import Client

__all__ = ["PRESET", "DemoResult", "demo"]

PRESET = "cgan-digits"
TARGETS = ("sm86", "sm120")
JUDGED_PICTURES = 1000
LEAST_AGREEMENT = 0.9
"""The demo fails where fewer of its pictures are recognised: it would have proven a generator of nothing."""

CONCURRENCY = (1, 8, 32)


@dataclass
class DemoResult:
    """What the demo made and found.

    Args:
        samples: the grid of served pictures.
        report: the page.
        agreement: share of served pictures whose class a nearest-neighbour classifier recognises, 0 to 1.
        variety: how far pictures of one class lie apart, as a share of how far the real ones do.
        bench: latency and throughput of the endpoint.
        seconds: step -> how long it took.
    """

    samples: Path
    report: Path
    agreement: float
    variety: float
    bench: BenchResult
    seconds: dict[str, float] = field(default_factory=dict)


def demo(to: Path, *, seconds: float, progress: Callable[[str, float], None]) -> DemoResult:
    """Go the whole way in the directory `to`.

    Args:
        to: directory of everything that is made.
        seconds: how long the endpoint is measured.
        progress: told what is being done, and the share of the step that is done.

    Raises:
        LithoError: a step failed; what was made before it stays and is used again.
    """
    from .benchmarks import bench
    from .benchmarks.load.report import require_report
    from .export.build import export
    from .parity.verify import verify
    from .serving.client import Client
    from .serving.environment import install
    from .serving.repository import deploy
    from .serving.server import EmbeddedServer
    from .training.data.sources import load
    from .training.loop import train
    from .training.metrics.pixels import class_diversity, label_agreement

    require_report()
    clock = _Clock()
    with clock.step("server environment"):
        install(progress)
    with clock.step("train"):
        progress(f"training {PRESET}", 0.0)
        run = train(PRESET, run=to / "run")
    with clock.step("export and prove"):
        bundle = export(
            run,
            to=to / "bundles" / PRESET,
            runtimes=("onnxruntime", "tensorrt-rtx"),
            targets=TARGETS,
            progress=progress,
        )
    with clock.step("deploy"):
        deploy(bundle, to=to / "model_repository")
    with EmbeddedServer(to / "model_repository", log=to / "server.log") as server:
        endpoint = f"{server.grpc_url}/{PRESET}"
        with clock.step("verify through the server"):
            verified = verify(bundle.path, endpoint=endpoint, progress=progress)
            _must_pass(verified)
        with clock.step("pictures"), Client(server.grpc_url, PRESET) as client:
            grid = _class_rows(client)
            labels = np.arange(JUDGED_PICTURES) % 10
            images = client.generate(seed=np.arange(10_000, 10_000 + JUDGED_PICTURES), label=labels)
        with clock.step("measure"):
            measured = bench(
                endpoint,
                against=bundle,
                concurrency=CONCURRENCY,
                seconds=seconds,
                output=to,
                progress=progress,
            )
    digits = load("digits")
    agreement, variety = label_agreement(images, labels, digits), class_diversity(images, labels, digits)
    samples = picture_grid(grid, columns=10, magnify=2, row_names=[str(digit) for digit in range(10)])
    write_bytes(to / "samples.png", png(samples))
    result = DemoResult(to / "samples.png", to / "report.html", agreement, variety, measured, clock.seconds)
    write_bytes(result.report, _page(result, bundle, verified))
    if agreement < LEAST_AGREEMENT:
        raise ProofError(
            f"only {agreement:.1%} of the pictures are recognised, {LEAST_AGREEMENT:.0%} must be; see {result.report}"
        )
    return result


def _must_pass(verified: Sequence[Verification]) -> None:
    for outcome in verified:
        if outcome.verdict.status != "passed":
            raise ProofError(f"{outcome.subject} does not give the same pictures: {outcome.verdict.reason}")


def _class_rows(client: Client) -> NDArray[np.uint8]:
    labels = np.repeat(np.arange(10), 10)
    return client.generate(seed=np.arange(100), label=labels)


def _page(result: DemoResult, bundle: Bundle, verified: Sequence[Verification]) -> str:
    from .benchmarks.load.report import view
    from .export.report.page import format_figure, summarise
    from .export.report.table import decide

    manifest = bundle.manifest
    decision = decide(str(bundle.path), manifest)
    return render(
        "demo.html",
        preset=PRESET,
        samples=result.samples.read_bytes(),
        agreement=f"{result.agreement:.1%}",
        variety=f"{result.variety:.0%}",
        judged=JUDGED_PICTURES,
        summary=summarise(manifest.variants),
        decision=decision,
        endpoint=[(figure.metric, format_figure(figure)) for figure in verified[0].verdict.figures],
        bench=view(result.bench),
        steps=[(name, f"{number(took)} s") for name, took in result.seconds.items()],
        provenance=[
            ("checkpoint", manifest.checkpoint_sha256),
            ("bundle", human_bytes(sum(record.size_bytes for record in manifest.files.values()))),
            *manifest.environment.items(),
        ],
    )


class _Clock:
    """How long each step took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
