import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from litho.errors import EndpointError
from litho.runners import open_runner
from litho.serving.control.advertisement import ADVERTISEMENT_NAME, Advertisement
from litho.serving.server.processes import Stub, stubs_of

from .test_status import figures

pytestmark = pytest.mark.slow

SECONDS = 60.0


class Served:
    """`litho serve` of a repository with the model "tiny", and the events that it tells."""

    def __init__(self, repository: Path, temporary: Path, *options: str) -> None:
        self.repository = repository
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from litho.cli import main; main()",
                "serve",
                str(repository),
                "--json",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.ready = self.wait_for("ready")
        self.endpoint = self.ready["endpoints"][0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def wait_for(self, event: str) -> dict[str, Any]:
        while (told := self._lines.get(timeout=SECONDS))["event"] != event:
            pass
        return told

    @property
    def server(self) -> int:
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid

    def stubs(self) -> tuple[Stub, ...]:
        return tuple(stub for stub in stubs_of(self.server) if stub.state != "Z")

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(self.ready["health"]) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def metrics(self) -> dict[tuple[str, str], float]:
        with urllib.request.urlopen(self.ready["supervisor_metrics"]) as answer:
            return figures(answer.read().decode())

    def answers(self, count: int = 10) -> bool:
        with open_runner(self.endpoint) as runner:
            return all(runner.run({"seed": [seed], "label": [2]})["image"].any() for seed in range(count))

    def end(self) -> str:
        self.process.kill()
        self._reader.join()
        _, errors = self.process.communicate()
        return errors


@pytest.fixture(scope="module")
def served(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(repository, tmp_path_factory.mktemp("serve"), "--canary-seconds", "0.5")
    try:
        yield running
    finally:
        running.end()


def test_a_supervised_server_says_where_it_is_and_how_it_is(served: Served) -> None:
    advertised = Advertisement.read(served.repository)
    assert advertised is not None
    assert (advertised.id, advertised.pid) == (served.ready["id"], served.process.pid)
    control = advertised.connect()
    assert control is not None
    control.close()
    assert served.health() == (200, {"ready": True, "problems": {}})
    deadline = time.monotonic() + SECONDS
    while ("litho_canary_seconds", "tiny") not in served.metrics():
        assert time.monotonic() < deadline
    seen = served.metrics()
    assert seen["litho_up", ""] == seen["litho_ready", ""] == 1
    assert seen["litho_restarts_total", ""] == 0


@pytest.mark.parametrize(
    ("number", "event", "cause"),
    [
        (signal.SIGKILL, "instance-died", "signal SIGKILL"),
        (signal.SIGSTOP, "instance-hung", "stopped by a signal"),
    ],
    ids=["dead", "hung"],
)
def test_a_model_with_a_dead_or_silent_instance_is_loaded_anew_and_answers(
    number: signal.Signals, event: str, cause: str, served: Served
) -> None:
    before = served.stubs()
    os.kill(before[0].pid, number)
    told = served.wait_for(event)
    assert (told["model"], told["level"]) == ("tiny", "error")
    assert cause in told["cause"]
    served.wait_for("model-reloaded")
    assert served.answers()
    assert before[0].pid not in {stub.pid for stub in served.stubs()}
    assert served.health()[0] == 200
    assert served.metrics()["litho_reloads_total", "tiny"] >= 1


def test_a_dead_server_is_restarted_on_its_ports_with_the_cause_told(served: Served) -> None:
    killed = served.server
    # A request of batch 0 kills Triton 24.10; litho's own client does not send it.
    empty = {"shape": [0, 1], "datatype": "INT64", "data": []}
    body = json.dumps({"inputs": [{"name": "seed", **empty}, {"name": "label", **empty}]}).encode()
    with pytest.raises(OSError):  # noqa: PT011 - the connection breaks, in one of several ways
        urllib.request.urlopen(f"{served.ready['http']}/v2/models/tiny/infer", body, timeout=SECONDS)
    assert served.wait_for("server-died")["cause"] == "signal SIGSEGV"
    assert served.wait_for("server-restarted")["seconds"] > 0
    assert served.server != killed
    assert served.answers()
    assert served.metrics()["litho_restarts_total", ""] == 1
    advertised = Advertisement.read(served.repository)
    assert advertised is not None
    control = advertised.connect()
    assert control is not None
    control.close()


def test_sigterm_under_load_answers_all_that_was_accepted_and_never_not_found(served: Served) -> None:
    address = served.ready["grpc"].removeprefix("grpc://")
    codes: Counter[str] = Counter()
    ended = threading.Event()

    def ask() -> None:
        with triton.InferenceServerClient(address) as client:
            inputs = [triton.InferInput(name, [1, 1], "INT64") for name in ("seed", "label")]
            for one in inputs:
                one.set_data_from_numpy(np.array([[1]], np.int64))
            while not ended.is_set():
                try:
                    client.infer("tiny", inputs, client_timeout=SECONDS)
                    codes["answered"] += 1
                except InferenceServerException as error:
                    codes[f"{error.status()}: {error.message()[:30]}"] += 1

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    while codes["answered"] < 50:
        assert served.process.poll() is None
    served.process.send_signal(signal.SIGTERM)
    served.wait_for("draining")
    assert served.wait_for("stopped")["seconds"] < 30
    ended.set()
    for client in clients:
        client.join()
    assert served.process.wait(SECONDS) == 0
    assert any("the server is shutting down" in code for code in codes)
    refused = {code.partition(":")[0] for code in codes} - {"answered"}
    assert refused == {"StatusCode.UNAVAILABLE"}
    assert not (served.repository / ADVERTISEMENT_NAME).exists()
    assert not list(Path("/dev/shm").glob(f"litho-{served.process.pid}-*"))
    with pytest.raises(EndpointError):
        served.answers(1)
    assert not Path(served.ready["log"]).exists()


def test_after_too_many_deaths_it_gives_up_with_the_last_cause(repository: Path, tmp_path: Path) -> None:
    served = Served(repository, tmp_path, "--restarts", "1")
    os.kill(served.server, signal.SIGKILL)
    served.wait_for("server-restarted")
    os.kill(served.server, signal.SIGABRT)
    served.wait_for("server-died")
    assert served.process.wait(SECONDS) == 1
    errors = served.end()
    (line,) = [line for line in errors.splitlines() if line.startswith("litho: error: ")]
    assert "was restarted 1 times within 600 s" in line
    assert "signal SIGABRT" in line
    assert str(tmp_path) in line
    assert not (repository / ADVERTISEMENT_NAME).exists()
