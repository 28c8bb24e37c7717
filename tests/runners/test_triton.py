import os
import re
import signal
import threading
from concurrent.futures import CancelledError, wait
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from litho.errors import EndpointError, InvalidInput, LithoError, UsageError
from litho.runners import open_runner
from litho.runners.triton import Runner, ServerStatistics
from litho.serving.server.embedded import EmbeddedServer

from ..conftest import standing_still, wait_until

pytestmark = pytest.mark.slow


def same_pictures(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> None:
    """The determinism contract: at most one grey level apart, and 99.9 % of the values identical."""
    assert left.shape == right.shape
    assert left.size > 0
    assert left.std() > 10, "the payload is empty or constant"
    difference = np.abs(left.astype(int) - right.astype(int))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


def counted_since(before: ServerStatistics, runner: Runner, requests: int) -> ServerStatistics:
    """What was counted once so many requests were: the server answers first and counts then."""

    def counted() -> ServerStatistics:
        return runner.statistics() - before

    wait_until(lambda: counted().requests + counted().failures >= requests)
    return counted()


@pytest.fixture
def runner(server: EmbeddedServer):
    with open_runner(f"{server.grpc_url}/tiny") as opened:
        assert isinstance(opened, Runner)
        yield opened


@pytest.fixture(scope="module")
def questions() -> dict[str, NDArray[np.int64]]:
    """256 seeds over the whole range, and a label for each."""
    seeds = np.random.default_rng(7).integers(0, 2**63 - 1, 256, endpoint=True)
    seeds[:2] = 0, 2**63 - 1
    return {"seed": seeds, "label": np.arange(256) % 10}


@pytest.fixture(scope="module")
def answers(bundle: Path, questions: dict[str, NDArray[np.int64]]) -> NDArray[np.uint8]:
    """What ONNX Runtime makes of the questions in this process, 64 at a time."""
    with open_runner(bundle) as local:
        parts = [local.run(part)["image"] for part in parts_of(questions, 64)]
    return np.concatenate(parts)


def parts_of(questions: dict[str, NDArray[np.int64]], size: int) -> list[dict[str, NDArray[np.int64]]]:
    return [
        {name: values[start : start + size] for name, values in questions.items()}
        for start in range(0, len(questions["seed"]), size)
    ]


def test_a_runner_learns_the_signature_from_the_server(runner: Runner, bundle: Path) -> None:
    with open_runner(bundle) as local:
        assert runner.signature == local.signature
    assert runner.served.bundle == "tiny"
    assert runner.max_batch_size == 64
    assert not runner.served.accepted_failed


@pytest.mark.parametrize("size", [1, 64])
def test_served_pictures_are_those_made_in_process(
    size: int, runner: Runner, questions: dict[str, NDArray[np.int64]], answers: NDArray[np.uint8]
) -> None:
    served = [runner.run(part)["image"] for part in parts_of(questions, size)]
    same_pictures(np.concatenate(served), answers)


def test_32_concurrent_clients_get_the_same_pictures_out_of_shared_batches(
    server: EmbeddedServer, questions: dict[str, NDArray[np.int64]], answers: NDArray[np.uint8]
) -> None:
    served: dict[int, NDArray[np.uint8]] = {}
    together = threading.Barrier(32)

    def client(number: int) -> None:
        with Runner.from_location(f"{server.grpc_url}/tiny", "cpu") as runner:
            together.wait()
            for index in range(number, 256, 32):
                inputs = {name: values[index : index + 1] for name, values in questions.items()}
                served[index] = runner.run(inputs)["image"][0]

    with open_runner(f"{server.grpc_url}/tiny") as watcher:
        assert isinstance(watcher, Runner)
        before = watcher.statistics()
        clients = [threading.Thread(target=client, args=(number,)) for number in range(32)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        counted = counted_since(before, watcher, 256)
    same_pictures(np.stack([served[index] for index in range(256)]), answers)
    assert counted.failures == 0
    assert counted.mean_batch > 1, "no two requests shared a batch"


def test_many_requests_fly_from_one_thread(
    runner: Runner, questions: dict[str, NDArray[np.int64]], answers: NDArray[np.uint8]
) -> None:
    futures = [runner.submit(part) for part in parts_of(questions, 1)]
    same_pictures(np.concatenate([future.result()["image"] for future in futures]), answers)


def test_statistics_account_for_every_batch(runner: Runner) -> None:
    """The sizes are those of no other test: what others sent may be counted late."""
    before = runner.statistics()
    for batch in (3, 5, 5):
        runner.run(runner.signature.example(batch))
    wait_until(lambda: (runner.statistics() - before).batch_sizes.get(5) == 2)
    counted = runner.statistics() - before
    assert counted.batch_sizes[3] == 1
    assert counted.requests >= 3
    assert counted.executions == sum(counted.batch_sizes.values())
    assert counted.inferences == sum(size * count for size, count in counted.batch_sizes.items())
    assert counted.mean_batch == counted.inferences / counted.executions
    assert min(counted.compute_infer_ns, counted.queue_ns, counted.compute_output_ns) > 0
    nothing = counted - counted
    assert nothing == ServerStatistics(0, 0, 0, 0, 0, 0, 0)
    assert np.isnan(nothing.mean_batch)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"seed": [1], "label": [10]}, "field 'label' was given value 10; allowed is .* 0 to 9"),
        ({"seed": [-1], "label": [0]}, "field 'seed' was given value -1"),
        ({"seed": [1.5], "label": [0]}, "dtype float64"),
        ({"seed": [[1]], "label": [0]}, "shape"),
        ({"seed": [1, 2], "label": [0]}, "batch"),
        ({"seed": [], "label": []}, "empty batch|dtype float64"),
        ({"seed": [1]}, "'label' is missing"),
        ({"seed": [1], "label": [0], "lable": [0]}, "unknown field 'lable'"),
    ],
)
def test_bad_input_is_refused_before_it_travels(inputs: dict[str, Any], words: str, runner: Runner) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        runner.run(inputs)
    assert "\n" not in str(refused.value)


def test_a_bad_request_gets_an_error_of_its_own_and_hurts_no_other(
    runner: Runner, questions: dict[str, NDArray[np.int64]], answers: NDArray[np.uint8]
) -> None:
    """A client in another language checks nothing: the server does."""
    parts = parts_of(questions, 1)
    bad = {3: ("label", 10), 17: ("seed", -5), 40: ("label", -1)}
    for index, (name, value) in bad.items():
        parts[index] = {**parts[index], name: np.array([value])}
    futures = [runner.submit(part) for part in parts]
    for index, future in enumerate(futures):
        if index in bad:
            name, value = bad[index]
            with pytest.raises(
                EndpointError, match=f"refused the request: field '{name}' was given value {value}"
            ) as error:
                future.result()
            assert "\n" not in str(error.value)
        else:
            np.testing.assert_array_equal(future.result()["image"].shape, (1, 32, 32, 1))
    good = [index for index in range(256) if index not in bad]
    same_pictures(np.concatenate([futures[index].result()["image"] for index in good]), answers[good])


def test_more_than_the_largest_batch_is_refused_with_the_limit(runner: Runner) -> None:
    with pytest.raises(EndpointError, match="batch-size must be <= 64") as refused:
        runner.run(runner.signature.example(65))
    assert "request id" not in str(refused.value)


def test_a_cancelled_request_is_no_answer(server: EmbeddedServer, runner: Runner) -> None:
    with standing_still(server):  # it cannot answer before the request is cancelled
        futures = [runner.submit(runner.signature.example(64)) for _ in range(20)]
        assert futures[-1].cancel()
    with pytest.raises(CancelledError):
        futures[-1].result()
    assert len(futures[0].result()["image"]) == 64
    wait(futures)


def test_what_is_in_flight_when_the_runner_closes_fails_in_one_line(server: EmbeddedServer) -> None:
    runner = Runner.from_location(f"{server.grpc_url}/tiny", "cpu")
    with standing_still(server):  # it cannot answer before the runner closes
        futures = [runner.submit(runner.signature.example(64)) for _ in range(20)]
        runner.close()
        runner.close()
    for future in futures:
        with pytest.raises(EndpointError, match="was cancelled"):
            future.result()


def test_an_answer_that_takes_too_long_names_the_limit(server: EmbeddedServer) -> None:
    # Long enough for its first question, which has the same limit.
    with Runner(server.grpc_url.removeprefix("grpc://"), "tiny", timeout_seconds=3) as hasty:
        example = hasty.signature.example(64)
        with standing_still(server):
            late = hasty.submit(example).exception()
    assert "did not answer within 3 s" in str(late)


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("{url}/tinny", EndpointError, r"the server has no model .*: it has tiny \(version 1\)"),
        ("{url}/tiny/9", EndpointError, r"the server has no model .*: it has tiny \(version 1\)"),
        ("grpc://127.0.0.1:1/tiny", EndpointError, "cannot reach .*connection refused.*'litho serve'"),
        ("grpc://no-such-host.invalid:1/tiny", EndpointError, "cannot reach"),
        ("{url}", UsageError, "grpc://HOST:PORT/MODEL"),
        ("{url}/tiny/1/more", UsageError, "grpc://HOST:PORT/MODEL"),
        ("http://127.0.0.1:1/tiny", UsageError, "grpc://HOST:PORT/MODEL"),
    ],
)
def test_an_endpoint_that_is_none_is_told_in_one_line(
    location: str, error: type[LithoError], words: str, server: EmbeddedServer
) -> None:
    with pytest.raises(error, match=words) as refused:
        open_runner(location.format(url=server.grpc_url))
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None or not isinstance(refused.value.__cause__, grpc.RpcError)


def test_a_version_can_be_asked_for(server: EmbeddedServer) -> None:
    with open_runner(f"{server.grpc_url}/tiny/1") as runner:
        assert runner.run({"seed": [1], "label": [2]})["image"].any()


def test_a_server_that_dies_in_mid_flight_is_told_in_one_line(repository: Path, tmp_path: Path) -> None:
    with (
        EmbeddedServer(repository, log=tmp_path / "log") as doomed,
        open_runner(f"{doomed.grpc_url}/tiny") as runner,
    ):
        runner.run(runner.signature.example(1))
        # A server that stands still answers nothing: whatever is sent now is in flight when it dies.
        os.killpg(doomed.process_id, signal.SIGSTOP)
        futures = [runner.submit(runner.signature.example(64)) for _ in range(5)]
        os.killpg(doomed.process_id, signal.SIGKILL)
        errors = [str(future.exception()) for future in futures]
        told = re.compile("(cannot reach|.* closed the connection).*")
        assert all(told.fullmatch(error) for error in errors), errors
        with pytest.raises(EndpointError, match=told):
            runner.run(runner.signature.example(1))
