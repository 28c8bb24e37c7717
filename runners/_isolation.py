"""Open graphs that nobody has run yet in a process of their own, so that the crash of a runtime is an error.

One process serves many runners, one request at a time; it starts with the first and starts again after a crash.
`_worker` is its program, `_messages` what the two say to each other.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import interrupts
from ..bundle import Bundle
from ..bundle.external_graph import ExternalGraph, graph_bytes
from ..bundle.manifest import Variant
from ..errors import RuntimeCrash
from ..signature import Signature
from . import base
from ._exchange import SLICE_S, Doing, Exchange, Limits
from ._messages import GRAPH, Message, decode_error, encode, read

__all__ = ["Worker"]

_WORDS_BYTES = 4096
_LONGEST_WORDS = 120
_MEMORY = "bad_alloc"

_Facts = dict[str, Any]
_Arrays = Mapping[str, NDArray[Any]]


class Worker:
    """A process for runners that may crash; a context manager that ends it.

    It holds nothing that has to be saved: it is killed when the block ends, when this process ends in whatever way,
    or when a request is interrupted.

    Args:
        limits: when a request counts as hung.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._words: IO[bytes] | None = None
        self._said = 0
        self.generation = 0
        """How many processes have ended: a runner that was opened in one of them opens itself again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process before it is needed; it loads its modules while this one goes on."""
        with self._lock:
            self._started()

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def open_graph(
        self, runtime: str, graph: bytes, signature: Signature, device: str = "cpu"
    ) -> base.Runner:
        """Open the content of an ONNX file; as `from_graph` of the runner called `runtime`.

        Raises:
            RuntimeCrash: the runtime crashed or hung.
            LithoError: as that runner raises it.
        """
        kind = base.runner_class(runtime)
        facts: _Facts = {"do": "graph", "runner": runtime, "device": device, "weights": _weights(graph)}
        facts["signature"] = signature.model_dump_json()
        mebibytes = graph_bytes(graph) >> 20

        def opens() -> Message:
            arrays = {GRAPH: np.frombuffer(graph, np.uint8)}
            doing = Doing(kind.title, "opened the graph", device, mebibytes=mebibytes)
            return self.ask({**facts, "folders": _folders()}, arrays, doing)

        return _Isolated(self, signature, kind.title, device, opens)

    def open_variant(self, bundle: Bundle, variant: Variant, device: str = "cpu") -> base.Runner:
        """Open a variant of a bundle; as `from_variant` of its runner.

        Raises:
            RuntimeCrash: the runtime crashed or hung.
            LithoError: as that runner raises it.
        """
        kind = base.runner_class(variant.runtime)
        facts = {
            "do": "variant",
            "runner": variant.runtime,
            "bundle": str(Path(bundle.path).absolute()),
            "manifest": bundle.manifest.model_dump_json(),
            "variant": variant.name,
            "device": device,
        }
        mebibytes = variant.size_bytes(bundle.manifest.files) >> 20
        where = device if variant.engine is None else "cuda"

        def opens() -> Message:
            doing = Doing(kind.title, f"opened {variant.name}", where, mebibytes=mebibytes)
            return self.ask({**facts, "folders": _folders()}, {}, doing)

        return _Isolated(self, bundle.stage(variant.stage).signature, kind.title, where, opens)

    def open_sampler(
        self, sampler: str, signature: Signature, stages: Mapping[str, base.Runner], tokenizer: str
    ) -> base.Runner:
        """Run open stages of this worker in turn; closing the runner closes them.

        Args:
            sampler: name of the runner that does so.
            signature: of the whole generator.
            stages: name -> runner that this worker opened.
            tokenizer: JSON text of the tokenizer.
        """
        own = {name: stage for name, stage in stages.items() if isinstance(stage, _Isolated)}
        assert len(own) == len(stages), "stages that this worker opened"
        titles = " or ".join(dict.fromkeys(stage.runtime for stage in own.values()))
        device = next((stage.device for stage in own.values() if stage.device != "cpu"), "cpu")

        def opens() -> Message:
            facts = {
                "do": "sampler",
                "runner": sampler,
                "signature": signature.model_dump_json(),
                "tokenizer": tokenizer,
                "folders": _folders(),
                "stages": {name: stage.session() for name, stage in own.items()},
            }
            for stage in own.values():
                stage.forget()  # it belongs to the sampler now, and would be opened again with it
            return self.ask(facts, {}, Doing(titles, "opened the stages", device))

        return _Isolated(self, signature, titles, device, opens)

    def values(self, graph: bytes, outputs: Sequence[str], inputs: _Arrays) -> dict[str, NDArray[Any]]:
        """As `onnxruntime.run_unoptimised`, in the worker's process.

        Raises:
            RuntimeCrash: ONNX Runtime crashed or hung.
            LithoError: it failed.
        """
        arrays = {**inputs, GRAPH: np.frombuffer(graph, np.uint8)}
        rows = max((len(values) for values in inputs.values()), default=1)
        size = graph_bytes(graph) >> 20
        doing = Doing("ONNX Runtime", "ran the graph layer by layer", mebibytes=size, rows=rows)
        facts = {"do": "values", "outputs": list(outputs), "weights": _weights(graph)}
        return self.ask(facts, arrays, doing)[1]

    def ask(self, facts: _Facts, arrays: _Arrays, doing: Doing) -> Message:
        """Send a request and wait for its answer.

        Raises:
            RuntimeCrash: the process crashed or hung; it starts again with the next request.
            MemoryError: memory ran out, or the system killed the process.
            LithoError: the runtime's own error.
        """
        with self._lock:
            process, channel = self._started()
            self._said = self._words_bytes()
            exchange = Exchange(process.pid, channel, doing.limit_s(self._limits), doing.idle_s(self._limits))
            try:
                for part in encode(facts, arrays):
                    exchange.write(part)
                answer = read(exchange.read)
            except (EOFError, ConnectionError, ValueError) as error:
                raise self._crashed(doing) from error
            except TimeoutError as error:
                self.close()
                raise RuntimeCrash(f"{doing.title} hung ({error}) while it {doing.work}", hung=True) from None
            except BaseException:
                self.close()  # an answer that nobody waits for would be taken for the next one's
                raise
        if "error" in answer[0]:
            raise decode_error(answer[0]["error"], doing.title)
        return answer

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        if self._process is not None and self._channel is not None:
            return self._process, self._channel
        own, other = socket.socketpair()
        # A file and no pipe: nobody reads while a request runs, and a full pipe would stop it.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        with other, interrupts.deaf_to_ctrl_c():
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    f"from {__package__}._worker import main; main()",
                    str(other.fileno()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                pass_fds=[other.fileno()],
                # The same modules in the same order, wherever this process has found them.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
            )
        own.settimeout(SLICE_S)
        self._channel = own
        return self._process, own

    def _crashed(self, doing: Doing) -> Exception:
        """What the end of the process means."""
        assert self._process is not None, "it was started"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)  # the socket is closed a moment before the process has ended
        code, words = self._process.poll(), self._last_words()
        self.close()
        if code == -signal.SIGKILL:
            return MemoryError(f"the system killed {doing.title} (SIGKILL), as it does when memory runs out")
        if _MEMORY in words:
            return MemoryError(f"{doing.title} ran out of memory while it {doing.work}")
        how = "no answer that can be read" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            known = {one.value: one.name for one in signal.Signals}
            how = known.get(-code, f"signal {-code}")
        return RuntimeCrash(
            f"{doing.title} crashed ({how}{f': {words}' if words else ''}) while it {doing.work}"
        )

    def _words_bytes(self) -> int:
        assert self._words is not None, "it was started"
        return os.fstat(self._words.fileno()).st_size

    def _last_words(self) -> str:
        """The last line of what the process wrote to its standard error during this request."""
        assert self._words is not None, "it was started"
        size = self._words_bytes()
        start = max(self._said, size - _WORDS_BYTES)
        words = os.pread(self._words.fileno(), size - start, start).decode(errors="replace")
        lines = [line.strip() for line in words.splitlines()]
        said = next((line for line in reversed(lines) if line), "")
        return said if len(said) <= _LONGEST_WORDS else f"{said[:_LONGEST_WORDS]}..."

    def close(self) -> None:
        """End the process; the next request starts another one. Closing twice is fine."""
        with self._lock:
            process, channel, words = self._process, self._channel, self._words
            self._process = self._channel = self._words = None
            self.generation += 1
            if process is None or channel is None or words is None:
                return
            process.kill()
            process.wait()
            channel.close()
            words.close()
            if process.stdin is not None:
                process.stdin.close()


class _Isolated(base.Runner):
    """A runner whose runtime lives in the worker's process.

    Args:
        worker: opened it.
        signature: inputs and output.
        runtime: its title.
        device: that it runs on.
        opens: opens it in the worker's process, now and after each crash.
    """

    name = "isolated"
    title = "isolated"

    def __init__(
        self, worker: Worker, signature: Signature, runtime: str, device: str, opens: Callable[[], Message]
    ) -> None:
        self.runtime, self.device = runtime, device
        self._worker, self._opens = worker, opens
        self._session: int | None = None
        self._generation = -1
        facts = self._opened()
        super().__init__(signature, facts["description"])
        self.max_batch_size = facts["largest"]

    def session(self) -> int:
        """Number of the runner in the worker's process; it is opened again after a crash."""
        if self._session is None or self._generation != self._worker.generation:
            self._opened()
        assert self._session is not None, "it was opened"
        return self._session

    def forget(self) -> None:
        """Leave the session to another runner."""
        self._session = None

    def _opened(self) -> _Facts:
        facts, _ = self._opens()
        self._session, self._generation = facts["session"], self._worker.generation
        return facts

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        return self._ask("run", inputs, "ran")[1]["made"]

    def seconds(self, inputs: Mapping[str, Any]) -> float:
        """Seconds of one call of `run`, measured in the worker's process: the way there does not count."""
        return self._ask("time", self.signature.check(inputs), "was timed on")[0]["seconds"]

    def _ask(self, what: str, inputs: dict[str, NDArray[Any]], verb: str) -> Message:
        rows = len(next(iter(inputs.values()), ()))
        doing = Doing(self.runtime, f"{verb} a batch of {rows}", self.device, rows=rows)
        return self._worker.ask({"do": what, "session": self.session()}, inputs, doing)

    def close(self) -> None:
        """Close the runner in the worker's process; closing twice is fine."""
        session, self._session = self._session, None
        if (
            session is not None
            and self._generation == self._worker.generation
            and self._worker.pid is not None
        ):
            self._worker.ask(
                {"do": "close", "session": session}, {}, Doing(self.runtime, "was closed", self.device)
            )


def _weights(graph: bytes) -> dict[str, str]:
    """The files of weights beside a graph, by their names; the worker's process reads them itself."""
    weights = graph.weights if isinstance(graph, ExternalGraph) else {}
    return {name: str(Path(one).absolute()) for name, one in weights.items() if isinstance(one, Path)}


def _folders() -> list[str]:
    """Folders of the runners, those that hold plug-ins from outside litho included."""
    package: Any = sys.modules[__package__ or ""]
    return list(package.__path__)
