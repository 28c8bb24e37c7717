"""The process that opens graphs and runs them, for `runners._isolation`: a crash of a runtime ends it and no other.

It reads requests from a socket and answers each one. It ends with the socket, and at once when the process that
started it is gone: its standard input is a pipe that only that process holds open.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..bundle.external_graph import ExternalGraph
from ..bundle.manifest import Manifest
from ..signature import Signature
from ._messages import GRAPH, Message, encode, encode_error, read
from .base import Runner, runner_class

__all__ = ["main"]

_Arrays = dict[str, NDArray[Any]]


class _Sessions:
    """The open runners of this process, by number."""

    def __init__(self) -> None:
        self._open: dict[int, Runner] = {}
        self._next = 0

    def answer(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        """Do what a request asks for."""
        known: dict[str, Callable[[Mapping[str, Any], _Arrays], Message]] = {
            "graph": self._graph,
            "variant": self._variant,
            "sampler": self._sampler,
            "run": self._run,
            "time": self._time,
            "values": self._values,
            "close": self._close,
        }
        return known[facts["do"]](facts, arrays)

    def _graph(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        signature = Signature.model_validate_json(facts["signature"])
        kind = _runner(facts)
        return self._add(kind.from_graph(_graph(facts, arrays), signature, facts["device"]))

    def _variant(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        bundle = Bundle(Path(facts["bundle"]), Manifest.model_validate_json(facts["manifest"]))
        return self._add(
            _runner(facts).from_variant(bundle, bundle.variant(facts["variant"]), facts["device"])
        )

    def _sampler(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        stages = {name: self._open.pop(number) for name, number in facts["stages"].items()}
        kind: Any = _runner(facts)
        return self._add(kind(Signature.model_validate_json(facts["signature"]), stages, facts["tokenizer"]))

    def _add(self, runner: Runner) -> Message:
        number, self._next = self._next, self._next + 1
        self._open[number] = runner
        return {"session": number, "description": runner.description, "largest": runner.max_batch_size}, {}

    def _run(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        runner = self._open[facts["session"]]
        made = runner.run(arrays, check=False)[runner.signature.output.name]
        return {"ms": runner.last_ms}, {"made": made}

    def _time(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        runner = self._open[facts["session"]]
        start = time.perf_counter()
        runner.run(arrays)
        return {"seconds": time.perf_counter() - start}, {}

    def _values(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        from .onnxruntime import run_unoptimised

        graph = _graph(facts, arrays)
        made = run_unoptimised(graph, facts["outputs"], arrays)
        return {}, {name: np.asarray(value) for name, value in made.items()}

    def _close(self, facts: Mapping[str, Any], arrays: _Arrays) -> Message:
        if (runner := self._open.pop(facts["session"], None)) is not None:
            runner.close()
        return {}, {}


def _graph(facts: Mapping[str, Any], arrays: _Arrays) -> bytes:
    content = arrays.pop(GRAPH).tobytes()
    weights = {name: Path(path) for name, path in facts.get("weights", {}).items()}
    return ExternalGraph(content, weights) if weights else content


def _runner(facts: Mapping[str, Any]) -> type[Runner]:
    # Plug-ins may lie in folders that the other process has added to this package.
    package: Any = sys.modules[__package__ or ""]
    package.__path__ = facts["folders"]
    return runner_class(facts["runner"])


def _end_with_parent() -> None:
    """Let the kernel kill this process when the other end of its standard input is closed.

    It is closed by the end of the process that holds it, however that ends. A thread that waits for it could not run
    while a runtime holds Python's lock; PR_SET_PDEATHSIG of prctl(2) means the thread that started this process.
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    ended = select.poll()
    ended.register(0, select.POLLIN)
    if ended.poll(0):
        sys.exit()  # it ended before the kernel could watch it


def _exactly(channel: socket.socket) -> Callable[[int], bytearray]:
    def exactly(count: int) -> bytearray:
        content = bytearray(count)
        view, have = memoryview(content), 0
        while have < count:
            got = channel.recv_into(view[have:])
            if got == 0:
                raise EOFError
            have += got
        return content

    return exactly


def main() -> None:
    """Answer requests on the socket whose number is the argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the other one handles it
    _end_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    warnings.simplefilter("ignore")
    os.dup2(2, 1)  # what runtimes print is no output of the command
    channel, sessions = socket.socket(fileno=int(sys.argv[1])), _Sessions()
    exactly = _exactly(channel)
    with suppress(EOFError, ConnectionError):
        while True:
            facts, arrays = read(exactly)
            try:
                answer = sessions.answer(facts, arrays)
            except Exception as error:
                answer = {"error": encode_error(error)}, {}
            for part in encode(*answer):
                channel.sendall(part)
