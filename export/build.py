"""Run -> bundle: graph, engines, probes, verdicts and report, all of them or nothing."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..bundle import (
    PROBES_NAME,
    REPORT_NAME,
    Bundle,
    BundleWriter,
    Probes,
    Stage,
    Variant,
    Verdict,
    create_bundle,
)
from ..errors import BundleError, UnknownName, UsageError
from ..extras import require
from ..files import locked
from ..runners.onnxruntime import Runner as OnnxRuntimeRunner
from ..signature import Role, Signature
from .engine import TARGETS, build_engine, engine_environment
from .gate import GATES, judge, replay
from .graph import OPSET, export_graph
from .report import render_report

if TYPE_CHECKING:
    import torch

    from ..training.snapshot import Snapshot

__all__ = ["INPUTS", "RUNTIMES", "Progress", "export", "make_probes"]

RUNTIMES = ("onnxruntime", "tensorrt-rtx")
Input = Literal["seed", "latent"]
INPUTS: tuple[Input, ...] = get_args(Input)
BATCHES = (1, 8, 64)
"""Smallest, preferred and largest batch that an engine is built for and a server forms."""

PROBE_COUNT = 64
REPLAY_BATCHES = (PROBE_COUNT, 1, 7)
"""The gate replays the probes together, alone, and in uneven parts."""

Progress = Callable[[str, float], None]
"""Called with the step under way and the share of it that is done, 0 to 1."""


@dataclass(frozen=True)
class _Request:
    """What was asked for, resolved: also the key by which an existing bundle is recognised as done."""

    name: str
    runtimes: tuple[str, ...]
    targets: tuple[str, ...]
    precisions: tuple[str, ...]
    input: Input

    def files(self, stage: str) -> Iterator[tuple[str, str, str | None, str]]:
        """Precision, runtime, target and file of every variant; the portable graph comes first."""
        for precision in self.precisions:
            yield precision, "onnxruntime", None, f"graphs/{stage}.{precision}.onnx"
            if "tensorrt-rtx" in self.runtimes:
                for target in self.targets:
                    yield precision, "tensorrt-rtx", target, f"engines/{stage}.{precision}.{target}.rtx"


def export(
    run: Path | str,
    *,
    to: Path | str,
    precisions: Sequence[str] = ("fp32",),
    runtimes: Sequence[str] = ("onnxruntime",),
    targets: Sequence[str] = (),
    input: Input = "seed",
    progress: Progress | None = None,
) -> Bundle:
    """Export a run's snapshot, replay the probes through every variant that runs here, and write the bundle.

    A bundle at `to` that was made from the same weights, for the same request and by the same versions is kept.

    Args:
        run: a run's directory.
        to: the bundle's directory; its name becomes the bundle's.
        precisions: any of `GATES`.
        runtimes: any of `RUNTIMES`; the portable ONNX graph is always made.
        targets: for engines, any of `TARGETS`; required with an engine runtime.
        input: "seed", or "latent" for a graph that takes the raw latent.
        progress: told what is being done.

    Raises:
        UsageError: the request names something unknown, or engines without a target.
        CheckpointError: the snapshot cannot be used.
        ExportError: a graph or an engine could not be made.
    """
    for package in ("torch", "onnx", "onnxscript"):
        require(package, "export")
    from ..training.snapshot import load_snapshot

    destination = Path(to)
    request = _resolve(destination.name, precisions, runtimes, targets, input)
    report_progress = progress or (lambda step, share: None)
    snapshot = load_snapshot(Path(run))
    picture = snapshot.picture(input)
    environment = _environment(request)
    try:
        with locked(destination.parent / f".{destination.name}.lock"):
            if (kept := _existing(destination, request, snapshot, environment)) is not None:
                return kept
            _refuse_foreign(destination)
            with create_bundle(destination) as writer:
                _fill(writer, request, snapshot, picture, environment, report_progress)
    except BlockingIOError:
        raise UsageError(
            f"another process is exporting to {destination}; wait for it, or give another --to"
        ) from None
    return Bundle.load(destination)


def make_probes(picture: torch.nn.Module, signature: Signature, count: int = PROBE_COUNT) -> Probes:
    """A bank of inputs, edge cases first, with the pictures that `picture` makes from them.

    Args:
        picture: takes the signature's inputs as tensors, gives UINT8 of shape (batch, height, width, channels).
        signature: its signature.
        count: how many probes.
    """
    import torch

    inputs = signature.example(count)
    for field in signature.inputs:
        if field.role is Role.SEED:
            edges = np.array([0, 1, 2**31 - 1, 2**32, 2**53 + 1, field.maximum], dtype=np.int64)
            inputs[field.name][: len(edges)] = edges
    with torch.inference_mode():
        images = picture(*(torch.from_numpy(inputs[field.name]) for field in signature.inputs))
    return Probes(inputs, images.numpy())


def _resolve(
    name: str, precisions: Sequence[str], runtimes: Sequence[str], targets: Sequence[str], input: Input
) -> _Request:
    for kind, given, known in (
        ("precision", precisions, GATES),
        ("runtime", runtimes, RUNTIMES),
        ("target", targets, TARGETS),
        ("input", [input], INPUTS),
    ):
        for item in given:
            if item not in known:
                raise UnknownName(kind, item, known)
    if "tensorrt-rtx" in runtimes and not targets:
        raise UsageError(f"engines need a target: --target with one or more of {', '.join(TARGETS)}")
    if targets and "tensorrt-rtx" not in runtimes:
        raise UsageError("--target is for engines: add tensorrt-rtx to --runtime")
    return _Request(name, tuple(runtimes), tuple(targets), tuple(precisions), input)


def _environment(request: _Request) -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")}
    engines = engine_environment() if request.targets else {}
    return {
        "litho": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **packages,
        "opset": str(OPSET),
        **engines,
    }


def _existing(
    destination: Path, request: _Request, snapshot: Snapshot, environment: dict[str, str]
) -> Bundle | None:
    try:
        bundle = Bundle.load(destination)
    except BundleError:
        return None
    manifest = bundle.manifest
    wanted = {file for stage in manifest.stages for *_, file in request.files(stage.name)}
    same = (
        {variant.file for variant in manifest.variants} == wanted
        and manifest.checkpoint_sha256 == snapshot.info.weights_sha256
        and manifest.environment == environment
        and manifest.signature.inputs[0].role.value == request.input
    )
    return bundle if same else None


def _refuse_foreign(destination: Path) -> None:
    # Replacing is for what an export made; somebody's other folder of that name is left alone.
    if destination.exists() and not (destination / "manifest.json").exists() and any(destination.iterdir()):
        raise UsageError(f"{destination} is not empty and is no bundle; give another --to")


def _fill(
    writer: BundleWriter,
    request: _Request,
    snapshot: Snapshot,
    picture: Any,
    environment: dict[str, str],
    progress: Progress,
) -> None:
    signature, info = picture.signature, snapshot.info
    stage = Stage(name="generator", signature=signature)
    progress("making the probes", 0.0)
    probes = make_probes(picture, signature)
    writer.add(PROBES_NAME, probes.to_bytes())
    metadata = {
        "litho.checkpoint_sha256": info.weights_sha256,
        "litho.family": info.family,
        "litho.licence": info.licence or "unknown",
    }
    progress("exporting the graph", 0.0)
    graph = export_graph(picture, signature, metadata)
    variants: list[Variant] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    for precision, runtime, target, file in request.files(stage.name):
        if target is None:
            content = graph
            progress("replaying the probes", 0.0)
            verdict, pictures[file] = _prove(graph, signature, probes, precision)
        else:
            content = build_engine(graph, signature, target, BATCHES, progress)
            verdict = Verdict(status="not_run", reason=f"to be proven it needs an NVIDIA GPU of {target}")
        writer.add(file, content)
        variants.append(
            Variant(
                name=Path(file).name,
                stage=stage.name,
                precision=precision,
                runtime=runtime,
                target=target,
                file=file,
                batches=BATCHES,
                verdict=verdict,
            )
        )
    provenance = {
        "family": info.family,
        "preset": info.preset or "–",
        "checkpoint": info.weights_sha256,
        **environment,
    }
    page = render_report(request.name, variants, writer.files, probes.images, pictures, provenance)
    writer.add(REPORT_NAME, page.encode())
    writer.finish(
        name=request.name,
        family=info.family,
        preset=info.preset,
        licence=info.licence,
        signature=signature,
        stages=(stage,),
        variants=tuple(variants),
        checkpoint_sha256=info.weights_sha256,
        environment=environment,
    )


def _prove(
    graph: bytes, signature: Signature, probes: Probes, precision: str
) -> tuple[Verdict, NDArray[np.uint8]]:
    with OnnxRuntimeRunner(graph, signature) as runner:
        replays = [replay(runner, probes, batch) for batch in REPLAY_BATCHES]
    return judge(replays, probes.images, precision), replays[0]
