"""Runners in a process of their own: their crash is an error, and nothing of them is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.bundle.probes import Probes
from litho.errors import BundleError, DeviceError, InvalidInput, LithoError, MissingExtra, RuntimeCrash
from litho.parity.gate import Gate
from litho.parity.replay import prove
from litho.runners import Worker, open_isolated, open_runner
from litho.runners._exchange import Limits
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field

SIGNATURE = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))
SEEDS = {"seed": np.array([3, 200])}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


def gone(pid: int) -> bool:
    """Whether a process has ended and left no zombie; it may take the system a moment."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def run_once(worker: Worker, graph: str) -> None:
    with worker.open_graph("toy", graph.encode(), SIGNATURE) as runner:
        runner.run(SEEDS)


@pytest.mark.usefixtures("toy")
def test_it_runs_as_in_this_process_with_one_process_for_all(worker: Worker) -> None:
    with (
        worker.open_graph("toy", b"", SIGNATURE) as one,
        worker.open_graph("toy", b"run=print", SIGNATURE) as other,
    ):
        assert one.description == "Toy Runtime on cpu"
        pid = worker.pid
        for runner in (one, other, one):
            made = runner.run(SEEDS)["image"]
            assert (made.shape, made[0, 0, 0, 0], made[1, 3, 3, 0]) == ((2, 4, 4, 1), 3, 200)
        assert runner.last_ms > 0
        assert 0 < one.seconds(SEEDS) < 60
        assert one.generate(seed=range(130)).shape == (130, 4, 4, 1)
        with pytest.raises(InvalidInput, match="unknown field 'label'"):
            one.run({"seed": [1], "label": [1]})
    assert worker.pid == pid


@pytest.mark.usefixtures("toy")
def test_texts_arrive_as_they_are(worker: Worker) -> None:
    prompt = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")
    signature = Signature(inputs=(prompt,), output=image_output(4, 4, 1))
    with worker.open_graph("toy", b"", signature) as runner:
        made = runner.run({"prompt": ["", "круг", "🔴 a"]})["image"]
    assert made[:, 0, 0, 0].tolist() == [0, 4, 3]


@pytest.mark.usefixtures("toy")
def test_many_threads_share_it(worker: Worker) -> None:
    with worker.open_graph("toy", b"", SIGNATURE) as runner, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda seed: runner.run({"seed": [seed]})["image"][0, 0, 0, 0], range(64)))
    assert made == [*range(64)]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("when", ["open", "run", "close"])
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("SIGSEGV", "Toy Runtime crashed (SIGSEGV) while it {}"),
        ("SIGABRT", "Toy Runtime crashed (SIGABRT) while it {}"),
        ("exit", "Toy Runtime crashed (exit code 3) while it {}"),
    ],
)
def test_a_crash_is_one_line_and_the_others_go_on(worker: Worker, when: str, how: str, words: str) -> None:
    done = {"open": "opened the graph", "run": "ran a batch of 2", "close": "was closed"}[when]
    with worker.open_graph("toy", b"", SIGNATURE) as other:
        before = worker.pid
        assert before is not None
        with pytest.raises(RuntimeCrash) as caught:
            run_once(worker, f"{when}={how}")
        assert str(caught.value) == words.format(done)
        assert gone(before)
        assert other.run(SEEDS)["image"].shape == (2, 4, 4, 1)
        assert worker.pid != before


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("when", ["open", "run"])
@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("bundle", BundleError, "changed"),
        ("device", DeviceError, "no chip"),
        ("extra", MissingExtra, "'chip' is not installed; get it with: pip install 'litho"),
        ("input", InvalidInput, "value 10"),
        ("litho", LithoError, "refused"),
        ("memory", MemoryError, "MemoryError: 16 GiB"),
        ("allocation", MemoryError, "Toy Runtime ran out of memory while it"),
        (
            "SIGKILL",
            MemoryError,
            r"the system killed Toy Runtime \(SIGKILL\), as it does when memory runs out",
        ),
        ("python", LithoError, "Toy Runtime failed: ValueError: first"),
    ],
)
def test_an_error_keeps_its_meaning(
    worker: Worker, when: str, how: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        run_once(worker, f"{when}={how}")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("how", "limits", "words"),
    [
        ("hang", Limits(idle_seconds=4), "it computed nothing for 4 s"),
        # The graph of a few bytes may take minutes to open, on a machine that stalls.
        ("compute", Limits(seconds=2, seconds_per_mib=3e7, seconds_per_picture=0.5), "no answer for 3 s"),
    ],
)
def test_what_hangs_is_stopped(how: str, limits: Limits, words: str) -> None:
    with Worker(limits) as worker, worker.open_graph("toy", f"run={how}".encode(), SIGNATURE) as runner:
        pid = worker.pid
        assert pid is not None
        with pytest.raises(RuntimeCrash) as caught:
            runner.run(SEEDS)
        assert str(caught.value) == f"Toy Runtime hung ({words}) while it ran a batch of 2"
        assert caught.value.hung
        assert gone(pid)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("graph", "status", "words"),
    [
        (b"open=SIGSEGV", "failed", "Toy Runtime crashed (SIGSEGV) while it opened the graph"),
        (b"run=SIGSEGV", "failed", "Toy Runtime crashed (SIGSEGV) while it ran a batch of 2"),
        (b"run=python", "failed", "Toy Runtime failed: ValueError: first"),
        (b"open=device", "not_run", "no chip"),
        (b"", "passed", ""),
    ],
)
def test_a_crash_is_a_verdict(worker: Worker, graph: bytes, status: str, words: str) -> None:
    images = np.broadcast_to(np.uint8(SEEDS["seed"])[:, None, None, None], (2, 4, 4, 1)).copy()
    outcome = prove(
        lambda: worker.open_graph("toy", graph, SIGNATURE), Probes(SEEDS, images), Gate(max_abs_levels=0)
    )
    assert (outcome.verdict.status, outcome.verdict.reason) == (status, words)
    assert (outcome.error is None) == (status != "failed")


def test_a_bundle_opens_as_in_this_process(worker: Worker, bundle: Path, flow_bundle: Path) -> None:
    for path in (bundle, flow_bundle):
        loaded = Bundle.load(path)
        inputs = loaded.manifest.signature.example(3)
        with open_isolated(loaded, None, worker) as isolated, open_runner(loaded) as here:
            np.testing.assert_array_equal(isolated.run(inputs)["image"], here.run(inputs)["image"])
            assert isolated.description == here.description
            assert isolated.variant == here.variant
            # After a crash the stages are opened again, then the sampler.
            os.kill(worker.pid or 0, signal.SIGSEGV)
            with pytest.raises(RuntimeCrash, match="ONNX Runtime crashed"):
                isolated.run(inputs)
            np.testing.assert_array_equal(isolated.run(inputs)["image"], here.run(inputs)["image"])


PARENT = """
import sys, time
from litho import runners
runners.__path__.append(sys.argv[1])
from litho.runners import Worker
from litho.runners.base import Runner
from litho.signature import Signature
with Worker() as worker:
    runner = worker.open_graph("toy", sys.argv[2].encode(), Signature.model_validate_json(sys.argv[3]))
    print(worker.pid, flush=True)
    runner.run({"seed": [1]})
"""


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("busy", ["hang", "compute"])
def test_nothing_is_left_of_it_when_this_process_ends(how: signal.Signals, busy: str, tmp_path: Path) -> None:
    signature = SIGNATURE.model_dump_json()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "toys"), f"run={busy}", signature],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(how)
        assert parent.wait(120) == -how
    assert gone(pid)


@pytest.mark.usefixtures("toy")
def test_a_thread_that_started_it_may_end(worker: Worker) -> None:
    """The kernel's own way to end a child with its parent means the thread."""
    with ThreadPoolExecutor(1) as pool:
        runner = pool.submit(worker.open_graph, "toy", b"", SIGNATURE).result()
    assert runner.run(SEEDS)["image"].shape == (2, 4, 4, 1)


def test_it_starts_with_the_first_runner_and_closes_twice(toy: None) -> None:
    worker = Worker()
    assert worker.pid is None
    worker.start()
    pid = worker.pid
    assert pid is not None
    worker.open_graph("toy", b"", SIGNATURE)
    assert worker.pid == pid
    worker.close()
    worker.close()
    assert gone(pid)
