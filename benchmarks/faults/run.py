"""Plants each fault in a `litho serve` of its own and writes `benchmarks/results/faults.json`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from ...bundle import Bundle
from ...bundle.json_documents import read_as
from ...errors import LithoError, UnknownName
from ...reporting.markdown import markdown_table
from ...runners import open_runner
from ...serving.configuration.model_config import parse_config
from ...serving.configuration.settings import Batching, ServingSettings
from ...serving.repository.deploy import deploy
from ..shared.command import RESULTS, Output, errors_of, write_document
from ..shared.machine import describe_machine
from . import connections, processes, requests, storage
from .base import Fault, Scene
from .clients import rows_of
from .documents import FaultResult, Faults
from .load import Load, Record, asked
from .serving import Serving

__all__ = ["FAULTS", "main", "plant", "table"]

FAULTS = (*processes.FAULTS, *requests.FAULTS, *connections.FAULTS, *storage.FAULTS)
RESULT = RESULTS / "faults.json"
QUIET_SECONDS = 3.0
RECOVERY_SECONDS = 60.0


def plant(fault: Fault, bundle: Path, batching: Batching = "whole") -> FaultResult:
    """Serve a model under load, plant a fault, and wait until it recovered.

    Args:
        fault: to plant.
        bundle: that is deployed for it.
        batching: in which form it is served.

    Raises:
        LithoError: the model could not be served before the fault.
        OSError: the fault needs a disk of its own, and this user may not mount one.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary, _disk(Path(temporary), fault) as folder:
        repository = folder / "repository"
        name = deploy(bundle, to=repository, settings=ServingSettings(batching=batching)).path.name
        if fault.prepare is not None:
            fault.prepare(repository / name)
        signature = Bundle.load(bundle).manifest.signature
        pictures = Path(temporary) / "pictures.npy"
        np.save(pictures, _expected(bundle, repository / name))
        serving = Serving(repository, folder)
        log = Path(temporary) / "clients.log"
        with serving, Load(serving.endpoint, pictures, log) as load:
            if not load.wait_for_good(time.monotonic(), 1.0, 60):
                raise LithoError(f"the model does not answer before the fault: {load.records[-1:]}")
            scene = Scene(serving, load, signature, repository, bundle)
            measured = _measured(fault, scene)
        left = serving.left()
        problems = [*scene.problems, *(f"left behind: {one}" for one in left)]
        return FaultResult(
            name=fault.name,
            title=fault.title,
            passed=not problems,
            problems=tuple(problems),
            left=tuple(left),
            **measured,
        )


def _measured(fault: Fault, scene: Scene) -> dict[str, Any]:
    """Plant the fault, wait for the recovery, and count."""
    serving, load = scene.serving, scene.load
    before, memory, stubs = serving.note_processes(), serving.shared_memory(), len(serving.stubs())
    scene.faulty_from = scene.whole_from = time.monotonic()
    details = dict(fault.plant(scene))
    good = load.wait_for_good(scene.whole_from, QUIET_SECONDS, RECOVERY_SECONDS)
    # What the clients see of the end below is not part of the fault.
    records = [one for one in load.records if one.ended >= scene.faulty_from]
    scene.expect(good, f"not whole again {RECOVERY_SECONDS:.0f} s after the fault")
    scene.expect(serving.is_alive(), "litho serve ended")
    grown, more = serving.settle(memory, stubs)
    servers = serving.note_processes()
    scene.expect(more <= 0, f"{more} processes of instances that were replaced are still there")
    # Triton keeps what it shared with an instance that died with requests in hand, until it ends itself.
    losses = details.get("pauses", int("killed" in details))
    allowed = sum(memory.values()) * losses
    scene.expect(grown <= allowed, f"shared memory grew by {grown:,} bytes")
    if serving.is_alive():
        code, _ = serving.terminate()
        scene.expect(code == 0, f"litho serve ended with exit code {code}")
    clients = asked(records)
    wrong = sum(one.wrong for one in clients.values())
    scene.expect(not wrong, f"{wrong} pictures were wrong")
    return {
        "details": {**details, "shared_memory_grown_bytes": grown},
        "clients": clients,
        **_recovery(records, scene.whole_from, good),
        "restarts": len(servers - before),
        "said": tuple(text[:300] for moment, text in serving.said if moment >= scene.faulty_from)[:8],
    }


def _recovery(records: Sequence[Record], since: float, good: bool) -> dict[str, float | None]:
    answers = [one.ended for one in records if one.outcome == "OK" and one.began >= since]
    failed = [one.ended for one in records if one.outcome != "OK" and one.ended >= since]
    return {
        "seconds_to_good": round(min(answers) - since, 3) if answers else None,
        "seconds_to_whole": round(max(failed, default=since) - since, 3) if good else None,
    }


def _expected(bundle: Path, model: Path) -> np.ndarray:
    """The pictures of the load, made in this process by the variant that is served."""
    parameters = parse_config((model / "config.pbtxt").read_text()).parameters
    with open_runner(bundle, parameters["litho_variant"].string_value) as runner:
        name = runner.signature.output.name
        return np.concatenate([runner.run(row)[name] for row in rows_of(runner.signature)])


@contextmanager
def _disk(temporary: Path, fault: Fault) -> Iterator[Path]:
    """A folder for the repository, on a disk of its own if the fault wants one."""
    folder = temporary / "disk"
    folder.mkdir()
    if not fault.disk_bytes:
        yield folder
        return
    storage.mount(folder, fault.disk_bytes)
    try:
        yield folder
    finally:
        storage.unmount(folder)


def table(faults: Sequence[FaultResult]) -> list[str]:
    """A table in Markdown."""
    columns = (
        "fault",
        "",
        "first good (s)",
        "whole (s)",
        "failed: raw",
        "litho",
        "fresh",
        "of",
        "restarts",
        "problems",
    )
    rows = [
        (
            one.name,
            "passed" if one.passed else "**failed**",
            _number(one.seconds_to_good),
            _number(one.seconds_to_whole),
            *(str(one.clients[kind].failed) for kind in ("raw", "litho", "fresh")),
            str(sum(client.requests for client in one.clients.values())),
            str(one.restarts),
            "; ".join(one.problems)[:300],
        )
        for one in faults
    ]
    return markdown_table(columns, rows)


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is deployed and served.", show_default=False)],
    batching: Annotated[
        Literal["whole", "in-flight"], typer.Option(help="Form in which it is served.")
    ] = "whole",
    only: Annotated[list[str] | None, typer.Option(help="Name of a fault; repeatable.")] = None,
    output: Output = RESULT,
) -> None:
    """Plant faults in a served model and measure how it recovers."""
    known = {fault.name: fault for fault in FAULTS}
    results: list[FaultResult] = []
    with errors_of("faults", output):
        try:
            for name in only or known:
                if name not in known:
                    raise UnknownName("fault", name, known)
                typer.echo(f"{name}: {known[name].title}", err=True)
                try:
                    results.append(plant(known[name], bundle, batching))
                except OSError as error:
                    typer.echo(f"{name}: not planted: {error}", err=True)
                    continue
                typer.echo("\n".join(table(results[-1:])[2:]), err=True)
        finally:
            if results:
                _write(results, bundle, batching, output)
    typer.echo("\n".join(table(results)))


def _write(results: Sequence[FaultResult], bundle: Path, batching: Batching, output: Path) -> None:
    """Write the document; faults that were not planted now keep their results."""
    before = read_as(Faults, "a result", output.parent, output.name, 1).faults if output.exists() else ()
    found = {one.name: one for one in (*before, *results)}
    document = Faults(
        model=Bundle.load(bundle).manifest.name,
        batching=batching,
        faults=tuple(found[fault.name] for fault in FAULTS if fault.name in found),
        machine=describe_machine(),
    )
    write_document(output, document)
