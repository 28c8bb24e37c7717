"""Cold start to the first picture: `python -m litho.benchmarks.cold_start BUNDLE [BUNDLE ...]`.

Each bundle is started anew several times, in turns: as a Python process that opens it and makes one picture, and as a
server that is started on its repository and asked for one. Written to `results/cold-start.json`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from ...bundle import Bundle
from ...errors import LithoError
from ...serving.clients.client import Client
from ...serving.repository.deploy import deploy
from ...serving.server.embedded import EmbeddedServer
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.environment import describe_environment, utc_now
from ..shared.machine import describe_machine
from .documents import ColdStart, ColdStarts, table

__all__ = ["main", "measure", "server_start_seconds"]

RESULT = RESULTS / "cold-start.json"

_PROGRAM = """
import sys
from litho.runners import open_runner

with open_runner(sys.argv[1], device=sys.argv[2]) as runner:
    runner.run(runner.signature.example(1))
    print("made", flush=True)
    sys.stdin.read()
"""


def measure(path: Path, starts: int = 5, device: Literal["cpu", "cuda"] = "cpu") -> ColdStart:
    """Start a bundle `starts` times in each way; files that the first start reads are in the system's cache later.

    Args:
        path: the bundle's folder.
        starts: in each way.
        device: on which it computes.

    Raises:
        LithoError: it does not make a picture.
    """
    bundle = Bundle.load(path)
    process, server = list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        deployment = deploy(bundle, to=Path(folder) / "repository", name="model", settings={"device": device})
        for number in range(starts):
            process.append(_process(path, device))
            server.append(server_start_seconds(Path(folder) / "repository", Path(folder) / f"{number}.log"))
    variant = deployment.served.variant
    files = [one.file for one in bundle.manifest.variants if one.name in variant.split(",")]
    return ColdStart(
        name=bundle.manifest.name,
        variant=variant,
        size_bytes=sum(bundle.manifest.files[file].size_bytes for file in files),
        process_seconds=tuple(process),
        server_seconds=tuple(server),
    )


def server_start_seconds(repository: Path, log: Path) -> float:
    """From the start of a server to the first picture of the model "model", in seconds.

    Raises:
        LithoError: it does not start, or does not answer.
    """
    start = time.perf_counter()
    with EmbeddedServer(repository, log=log) as server, Client(f"{server.grpc_url}/model") as client:
        client.generate(**client.signature.example(1))
        return time.perf_counter() - start


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    starts: Annotated[int, typer.Option(help="Starts of each bundle in each way.", min=1)] = 5,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where it computes.")] = "cpu",
    output: Output = RESULT,
) -> None:
    """Measure the time from a start to the first picture."""
    measured_at, environment = utc_now(), describe_environment()
    with errors_of("cold_start", output):
        measured = tuple(measure(path, starts, device) for path in bundles)
    result = ColdStarts(
        measured_at=measured_at,
        machine=describe_machine(),
        environment=environment,
        bundles=measured,
    )
    finish(output, result, table(result))


def _process(path: Path, device: str) -> float:
    command = [sys.executable, "-c", _PROGRAM, str(path), device]
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        assert started.stdout is not None, "it is a pipe"
        said = started.stdout.readline()
        seconds = time.perf_counter() - start
        _, errors = started.communicate()
    if said.strip() != b"made":
        lines = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise LithoError(f"a process that opens {path} made no picture: {lines[-1]}")
    return seconds
