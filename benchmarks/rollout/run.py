"""Rollouts under load: `python -m litho.benchmarks.rollout BUNDLE OTHER` deploys both in turn while clients ask.

Clients in a process of their own ask without a pause. Meanwhile OTHER is deployed and rolled back again, and three
candidates are refused: one cannot be loaded, one fails its warm-up, the pictures of one are not those of its probes.
Every answer must be the picture of one of the two bundles, and no request may fail. Written to
`results/rollout.json`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ...bundle import Bundle
from ...errors import LithoError, UsageError
from ...runners import open_runner
from ...serving.repository.deploy import deploy
from ..faults.clients import rows_of
from ..faults.documents import Asked
from ..faults.load import Load, asked
from ..faults.serving import Serving
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import describe_machine
from .commands import NAME, Commands
from .documents import Rollouts, Step, table

__all__ = ["main", "measure"]

RESULT = RESULTS / "rollout.json"
ROUNDS = 3
"""Rounds of commands at least."""


def measure(bundle: Path, other: Path, requests: int = 10_000) -> Rollouts:
    """Deploy and roll back under load until so many requests have ended.

    Args:
        bundle: version 1.
        other: version 2; of the same signature, with other pictures.
        requests: at least so many.

    Raises:
        UsageError: both make the same pictures, so that nothing tells them apart, or have different signatures.
        LithoError: a bundle could not be served in the first place.
    """
    if Bundle.load(bundle).manifest.signature != Bundle.load(other).manifest.signature:
        raise UsageError(
            f"{other.name} has another signature than {bundle.name}; give two bundles of the same inputs and size"
        )
    made = _pictures(bundle), _pictures(other)
    if np.array_equal(made[0], made[1]):
        raise UsageError(f"{other.name} makes the pictures of {bundle.name}; give a bundle of other weights")
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        folder = Path(temporary)
        repository = folder / "repository"
        deploy(bundle, to=repository, name=NAME)
        pictures = folder / "pictures.npy"
        np.save(pictures, np.stack(made))
        commands = Commands(folder, repository, bundle, other)
        serving = Serving(repository, folder)
        steps: list[Step] = []
        with serving, Load(serving.endpoint, pictures, folder / "clients.log") as load:
            if not load.wait_for_good(time.monotonic(), 1.0, 60):
                raise LithoError(f"the model does not answer: {load.records[-1:]}")
            began = time.monotonic()
            rounds = 0
            while sum(one.ended >= began for one in load.records) < requests or rounds < ROUNDS:
                steps += commands.round(serving)
                rounds += 1
            records = [one for one in load.records if one.ended >= began]
        left = serving.left()
    clients = asked(records)
    return Rollouts(
        steps=tuple(steps),
        clients=clients,
        longest_ms=round(max((one.ended - one.began) * 1e3 for one in records if one.outcome == "OK"), 1),
        problems=tuple(_problems(steps, clients, left)),
        machine=describe_machine(),
    )


def _problems(steps: Iterable[Step], clients: Mapping[str, Asked], left: Iterable[str]) -> Iterator[str]:
    yield from (f"{step.command}: {step.said}" for step in steps if step.exit_code != step.expected)
    failed = {kind: client.errors for kind, client in clients.items() if client.failed}
    yield from (f"requests of {kind} failed: {errors}" for kind, errors in failed.items())
    yield from (f"{client.wrong} pictures were of neither" for client in clients.values() if client.wrong)
    yield from (f"left behind: {one}" for one in left if f"{NAME}/" not in one)


def _pictures(bundle: Path) -> NDArray[np.uint8]:
    with open_runner(bundle) as runner:
        name = runner.signature.output.name
        return np.concatenate([runner.run(row)[name] for row in rows_of(runner.signature)])


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is served first.", show_default=False)],
    other: Annotated[Path, typer.Argument(help="Bundle that is deployed meanwhile.", show_default=False)],
    requests: Annotated[int, typer.Option(help="At least so many requests.")] = 10_000,
    output: Output = RESULT,
) -> None:
    """Deploy and roll back a model under load."""
    with errors_of("rollout", output):
        result = measure(bundle, other, requests)
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))
