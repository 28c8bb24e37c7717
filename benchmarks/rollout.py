"""Rollouts under load: `python -m litho.benchmarks.rollout BUNDLE OTHER` deploys both in turn while clients ask.

Clients in a process of their own ask without a pause. Meanwhile OTHER is deployed and rolled back again, and three
candidates are refused: one cannot be loaded, one fails its warm-up, the pictures of one are not those of its probes.
Every answer must be the picture of one of the two bundles, and no request may fail. Written to
`results/rollout.json`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from ..bundle import Bundle, create_bundle, sign_bundle
from ..bundle.json_documents import Document
from ..errors import LithoError, UsageError
from ..extras import require
from ..reporting.markdown import markdown_table
from ..runners import open_runner
from ..serving.repository.deploy import deploy
from .faults.clients import rows_of
from .faults.documents import Asked
from .faults.load import Load, asked
from .faults.serving import Serving
from .shared.command import RESULTS, errors_of, finish
from .shared.key_pair import make_key_pair
from .shared.machine import Machine, describe_machine

__all__ = ["Rollouts", "Step", "main", "measure", "table"]

RESULT = RESULTS / "rollout.json"
NAME = "model"
COMMAND_SECONDS = 300
ROUNDS = 3
"""Rounds of commands at least."""


class Step(Document):
    """One command while clients asked.

    Args:
        command: what was run, without paths.
        expected: exit code that it should have.
        exit_code: that it had.
        seconds: that it took.
        said: its last line.
        live: version that answered after it.
    """

    command: str
    expected: int
    exit_code: int
    seconds: float
    said: str
    live: int


class Rollouts(Document):
    """All commands, and what the clients saw from the first to the last; written as `rollout.json`.

    Args:
        schema_version: of this document.
        steps: in order.
        clients: kind of client -> its requests.
        longest_ms: longest latency of a good answer, in milliseconds.
        problems: what went wrong; empty if nothing.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    steps: tuple[Step, ...]
    clients: dict[str, Asked]
    longest_ms: float
    problems: tuple[str, ...]
    machine: Machine

    @property
    def requests(self) -> int:
        """Requests of all clients."""
        return sum(client.requests for client in self.clients.values())


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
        commands = _Commands(folder, repository, bundle, other)
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
    failed = {kind: client.errors for kind, client in clients.items() if client.failed}
    problems = [
        *(f"{step.command}: {step.said}" for step in steps if step.exit_code != step.expected),
        *(f"requests of {kind} failed: {errors}" for kind, errors in failed.items()),
        *(f"{client.wrong} pictures were of neither" for client in clients.values() if client.wrong),
        *(f"left behind: {one}" for one in left if f"{NAME}/" not in one),
    ]
    return Rollouts(
        steps=tuple(steps),
        clients=clients,
        longest_ms=round(max((one.ended - one.began) * 1e3 for one in records if one.outcome == "OK"), 1),
        problems=tuple(problems),
        machine=describe_machine(),
    )


class _Commands:
    """The commands of one round: two that succeed, and three candidates that must be refused."""

    def __init__(self, folder: Path, repository: Path, bundle: Path, other: Path) -> None:
        self._repository, self._other = repository, other
        self._broken, self._variant = folder / "broken", ""
        self._strange, self._unable = folder / "strange", folder / "unable"
        self._forge(other, self._broken, lambda graph: b"no graph" + graph[8:])
        self._forge(bundle, self._strange, lambda graph: _graph(other))
        self._forge(bundle, self._unable, _refusing)
        self._key = _sign(folder, self._strange, self._unable)

    def _forge(self, bundle: Path, path: Path, change: Any) -> None:
        """A bundle whose manifest agrees with its files, but whose graph is another."""
        original = Bundle.load(bundle)
        manifest = original.manifest
        (variant, *_) = manifest.variants
        self._variant = variant.name
        with create_bundle(path) as writer:
            for file in manifest.files:
                content = original.read(file)
                writer.add(file, change(content) if file == variant.file else content)
            rest = manifest.model_dump(exclude={"files", "variants", "schema_version", "recommended"})
            writer.finish(**rest, variants=(variant,), recommended=(variant.name,))

    def round(self, serving: Serving) -> Iterator[Step]:
        """Run them once."""
        to = ("--to", self._repository, "--name", NAME)
        yield self._run(serving, 0, "deploy", self._other, *to)
        yield self._run(
            serving,
            1,
            "deploy",
            self._broken,
            *to,
            "--accept-failed",
            self._variant,
            "--variant",
            self._variant,
        )
        for candidate in (self._unable, self._strange):
            signed = ("--require-signature", self._key, "--variant", self._variant)
            yield self._run(serving, 1, "deploy", candidate, *to, *signed)
        yield self._run(serving, 0, "rollback", self._repository, NAME)

    def _run(self, serving: Serving, expected: int, *arguments: object) -> Step:
        began = time.monotonic()
        server = serving.endpoint.rpartition("/")[0]
        command = [sys.executable, "-m", "litho", *map(str, arguments), "--server", server]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        seconds = time.monotonic() - began
        said = (
            (done.stderr.strip() or done.stdout.strip())
            .replace(f"{self._repository.parent}/", "")
            .splitlines()
        )
        words = [one.name if isinstance(one, Path) else str(one) for one in arguments]
        return Step(
            command=" ".join(words),
            expected=expected,
            exit_code=done.returncode,
            seconds=round(seconds, 2),
            said=said[-1][:400] if said else "",
            live=_live(serving),
        )


def _graph(bundle: Path) -> bytes:
    loaded = Bundle.load(bundle)
    return loaded.read(loaded.manifest.variants[0].file)


def _refusing(graph: bytes) -> bytes:
    """The graph with a last node that refuses every batch when it runs."""
    onnx, numpy_helper = require("onnx", "export"), require("onnx.numpy_helper", "export")
    model = onnx.load_from_string(graph)
    (output,) = model.graph.output
    (last,) = [node for node in model.graph.node if output.name in node.output]
    last.output[:] = [name if name != output.name else "whole" for name in last.output]
    model.graph.initializer.append(numpy_helper.from_array(np.array([7, 3, 3, 1], np.int64), "impossible"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["whole", "impossible"], [output.name]))
    del model.graph.value_info[:]
    return model.SerializeToString()


def _sign(folder: Path, *bundles: Path) -> Path:
    """Sign bundles with a new key; the file of the public one."""
    private, public = make_key_pair(folder)
    for bundle in bundles:
        sign_bundle(bundle, key=private)
    return public


def _live(serving: Serving) -> int:
    from ..serving.control.server_control import ServerControl

    with ServerControl(serving.endpoint.rpartition("/")[0]) as server:
        return max(server.live_versions(NAME), default=0)


def _pictures(bundle: Path) -> NDArray[np.uint8]:
    with open_runner(bundle) as runner:
        name = runner.signature.output.name
        return np.concatenate([runner.run(row)[name] for row in rows_of(runner.signature)])


def table(result: Rollouts) -> list[str]:
    """Tables in Markdown: the commands, then the clients."""
    steps = [
        (one.command, str(one.exit_code), f"{one.seconds:.1f}", str(one.live), one.said)
        for one in result.steps
    ]
    clients = [
        (kind, f"{one.requests:,}", str(one.failed), str(one.wrong), str(one.p95_ms))
        for kind, one in result.clients.items()
    ]
    return [
        *markdown_table(("command", "exit code", "seconds", "live", "said"), steps),
        "",
        *markdown_table(("client", "requests", "failed", "wrong", "p95 (ms)"), clients),
    ]


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is served first.", show_default=False)],
    other: Annotated[Path, typer.Argument(help="Bundle that is deployed meanwhile.", show_default=False)],
    requests: Annotated[int, typer.Option(help="At least so many requests.")] = 10_000,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
) -> None:
    """Deploy and roll back a model under load."""
    with errors_of("rollout", output):
        result = measure(bundle, other, requests)
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))


if __name__ == "__main__":
    typer.run(main)
