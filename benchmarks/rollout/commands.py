"""The commands of one round, and the candidates that they must refuse."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import Bundle, create_bundle, sign_bundle
from ...extras import require
from ..faults.serving import Serving
from ..shared.key_pair import make_key_pair
from .documents import Step

__all__ = ["NAME", "Commands"]

NAME = "model"
COMMAND_SECONDS = 300


class Commands:
    """The commands of one round: two that succeed, and three candidates that must be refused.

    Args:
        folder: holds the candidates, which are made here.
        repository: that is deployed to.
        bundle: that is served at first.
        other: that is deployed and rolled back.

    Attributes:
        key: file of the public key that the candidates are signed for.
    """

    def __init__(self, folder: Path, repository: Path, bundle: Path, other: Path) -> None:
        self._repository, self._other = repository, other
        self._broken, self._variant = folder / "broken", ""
        self._strange, self._unable = folder / "strange", folder / "unable"
        self._forge(other, self._broken, lambda graph: b"no graph" + graph[8:])
        self._forge(bundle, self._strange, lambda graph: _graph(other))
        self._forge(bundle, self._unable, _refusing)
        self.key = _sign(folder, self._strange, self._unable)

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
            signed = ("--require-signature", self.key, "--variant", self._variant)
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
    from ...serving.control.server_control import ServerControl

    with ServerControl(serving.endpoint.rpartition("/")[0]) as server:
        return max(server.live_versions(NAME), default=0)
