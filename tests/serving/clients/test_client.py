import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import np_to_triton_dtype

from litho.errors import EndpointError, EndpointUnavailable, InvalidInput, UsageError
from litho.runners import open_runner
from litho.runners.triton import ServerStatistics
from litho.serving.clients.client import Client, Options
from litho.serving.clients.retries import NO_RETRIES, Retries
from litho.serving.server.embedded import EmbeddedServer

from ...conftest import wait_until
from ...streaming import REFUSED, SILENT, begun_requests, cancelled_requests, expected, write_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(server: EmbeddedServer):
    with Client(f"{server.grpc_url}/tiny") as opened:
        yield opened


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"seed": 7, "label": 3}, 1),
        ({"seed": [7], "label": 3}, 1),
        ({"seed": range(5), "label": 3}, 5),
        ({"seed": np.arange(3), "label": [1, 2, 3]}, 3),
        ({"seed": 9, "label": range(10)}, 10),
        ({"seed": range(200), "label": 0}, 200),
    ],
)
def test_one_call_gives_one_array_of_pictures(fields: dict[str, Any], count: int, client: Client) -> None:
    images = client.generate(**fields)
    assert images.shape == (count, 32, 32, 1)
    assert images.dtype == np.uint8
    assert images.std() > 10
    images[0] = 0  # the caller's own


def test_more_pictures_than_a_batch_come_back_in_order(client: Client, bundle: Path) -> None:
    seeds, labels = np.arange(150), np.arange(150) % 10
    with open_runner(bundle) as local:
        expected = local.run({"seed": seeds, "label": labels})["image"].astype(int)
    difference = np.abs(client.generate(seed=seeds, label=labels) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


def test_a_large_call_travels_in_the_model_s_largest_batches(client: Client) -> None:
    def counted() -> ServerStatistics:
        """The server answers first and counts then."""
        before = client.statistics()
        client.generate(seed=range(150), label=0)
        wait_until(lambda: (client.statistics() - before).inferences >= 150)
        return client.statistics() - before

    while (found := counted()).inferences > 150:
        pass  # a request of a test before this one was counted late
    assert found.requests == 3


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(client: Client) -> None:
    first, again, other = (client.generate(seed=seed, label=3) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": 1, "label": 10}, "value 10"),
        ({"seed": -1, "label": 0}, "value -1"),
        ({"seed": 2**63, "label": 0}, "9223372036854775808"),
        ({"seed": 1}, "'label' is missing"),
        ({"seed": [1, 2], "label": [1, 2, 3]}, "2 for 'seed', 3 for 'label'; give the same number"),
        ({"seed": [], "label": 1}, "field 'seed'"),
        ({"seed": "seven", "label": 1}, "dtype"),
        ({"seed": 1, "label": 1, "steps": 3}, "unknown field 'steps'"),
    ],
)
def test_bad_fields_are_refused_in_one_line(fields: dict[str, Any], words: str, client: Client) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        client.generate(**fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("127.0.0.1:8001/tiny", None),
        ("http://127.0.0.1:8000/tiny", None),
        ("grpc://127.0.0.1:8001", None),
        ("grpc://127.0.0.1/tiny", None),
        ("grpc:///tiny", None),
        ("grpc://127.0.0.1:8001/tiny/newest", None),
        ("127.0.0.1:8001", "tiny"),
        ("", ""),
    ],
)
def test_client_refuses_another_form_of_address_and_shows_the_right_one(url: str, model: str | None) -> None:
    given = url if model is None else f"{url}/{model}"
    with pytest.raises(UsageError) as refused:
        Client(url, model)
    assert str(refused.value) == f"invalid endpoint {given!r}; expected grpc://HOST:PORT/MODEL"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("grpc://127.0.0.1:1/tiny", "cannot reach"), ("{}/tinny", "the server has no model .* it has tiny")],
)
def test_client_says_in_one_line_what_it_cannot_reach(
    endpoint: str, words: str, server: EmbeddedServer
) -> None:
    with pytest.raises(EndpointError, match=words) as refused:
        Client(endpoint.format(server.grpc_url))
    assert "\n" not in str(refused.value)


def test_client_takes_the_address_and_the_model_in_one_or_two_arguments(server: EmbeddedServer) -> None:
    with Client(f"{server.grpc_url}/tiny") as one, Client(server.grpc_url, "tiny") as two:
        assert repr(one) == repr(two) == f"<Client {server.grpc_url}/tiny, variant generator.fp32.onnx>"
    with Client(f"{server.grpc_url}/tiny/1") as versioned:
        assert versioned.signature == one.signature


def test_ten_thousand_requests_cost_neither_the_server_nor_the_client_memory(
    server: EmbeddedServer,
) -> None:
    """Resident memory after the last is within 5 % of what it was after the first thousand."""
    root = psutil.Process(server.process_id)
    processes = [psutil.Process(), root, *root.children(recursive=True)]
    with open_runner(f"{server.grpc_url}/tiny") as runner:
        one = runner.signature.example(1)

        def ask(count: int) -> None:
            for _ in range(count // 50):
                for future in [runner.submit(one) for _ in range(50)]:
                    assert future.result()["image"].any()

        ask(1_000)
        before = [process.memory_info().rss for process in processes]
        ask(9_000)
        after = [process.memory_info().rss for process in processes]
    assert len(processes) >= 3
    for process, early, late in zip(processes, before, after, strict=True):
        assert late <= early * 1.05, f"{process.name()} grew from {early} to {late} bytes"


def test_requests_of_other_clients_may_each_leave_out_what_has_a_default(
    client: Client, server: EmbeddedServer
) -> None:
    def request(seed: int, truncation: float | None) -> list[grpcclient.InferInput]:
        values = {"seed": np.array([[seed]]), "label": np.array([[3]])}
        if truncation is not None:
            values["truncation"] = np.array([[truncation]], np.float32)
        inputs = [
            grpcclient.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
            for name, array in values.items()
        ]
        for given, array in zip(inputs, values.values(), strict=True):
            given.set_data_from_numpy(array)
        return inputs

    address = server.grpc_url.removeprefix("grpc://")
    options = [("grpc.enable_http_proxy", 0)]
    with (
        grpcclient.InferenceServerClient(address, channel_args=options) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = [request(seed, (None, 1.0, 0.0)[seed % 3]) for seed in range(60)]
        answers = list(pool.map(lambda inputs: other.infer("tiny", inputs).as_numpy("image"), asked))
    images = np.concatenate(answers).astype(int)
    truncation = np.tile([1.0, 1.0, 0.0], 20)
    difference = np.abs(images - client.generate(seed=range(60), label=3, truncation=truncation))
    assert difference.max() <= 1


@pytest.fixture
def streaming(streaming_server: EmbeddedServer):
    with Client(f"{streaming_server.grpc_url}/sketch") as opened:
        yield opened


def test_a_model_that_streams_is_used_like_any_other(streaming: Client) -> None:
    assert streaming.decoupled
    images = streaming.generate(seed=range(20), steps=range(1, 21))
    assert images[:, 0, 0, 0].tolist() == [expected(seed, seed + 1) for seed in range(20)]
    assert streaming.run({"seed": [7]})["image"][0, 0, 0, 0] == expected(7, 4)
    with pytest.raises(EndpointError, match="refused the request: field 'seed'"):
        streaming.generate(seed=REFUSED)


def test_previews_come_before_their_pictures_over_several_batches(streaming: Client) -> None:
    made = list(streaming.stream(Options(preview_every=2), seed=range(10), steps=5))
    assert sorted((one.row, one.step) for one in made) == [
        (row, step) for row in range(10) for step in (2, 4, 5)
    ]
    assert [one.row for one in made if one.finished] == list(range(10))
    assert all(one.image[0, 0, 0] == expected(one.row, one.step) for one in made)
    with pytest.raises(InvalidInput, match="'steps' was given value 0"):
        streaming.stream(seed=1, steps=0)


def test_a_model_without_streams_gives_finished_pictures(streaming_server: EmbeddedServer) -> None:
    with Client(f"{streaming_server.grpc_url}/whole") as client:
        made = list(client.stream(Options(preview_every=1), seed=[5, 6], steps=[2, 3]))
    assert [(one.row, one.step, one.finished) for one in made] == [(0, 2, True), (1, 3, True)]


def test_a_model_that_began_or_ceased_to_stream_with_a_newer_version_is_still_served(
    streaming_server: EmbeddedServer,
) -> None:
    for model, before in (("sketch", False), ("whole", True)):
        with Client(f"{streaming_server.grpc_url}/{model}") as client:
            client._live.decoupled = before  # what the client learned of the version before
            assert client.generate(seed=[5, 6])[:, 0, 0, 0].tolist() == [9, 10]
            client._live.decoupled = before
            assert client._live.run({"seed": [5]})["image"][0, 0, 0, 0] == 9


def test_leaving_a_stream_and_cancelling_a_request_reach_the_server(
    streaming: Client, streaming_folder: Path
) -> None:
    before = cancelled_requests(streaming_folder)
    for picture in streaming.stream(Options(preview_every=1), seed=1, steps=1_000_000):
        if picture.step == 5:
            break
    wait_until(lambda: cancelled_requests(streaming_folder) > before)
    begun = begun_requests(streaming_folder)
    future = streaming.submit({"seed": np.array([SILENT])})
    wait_until(lambda: begun_requests(streaming_folder) > begun)
    assert future.cancel()
    wait_until(lambda: cancelled_requests(streaming_folder) > before + 1)


def test_a_slow_reader_holds_up_nobody_and_misses_nothing(streaming: Client) -> None:
    pictures = streaming.stream(Options(preview_every=1), seed=range(8), steps=200)
    assert next(pictures).step == 1
    assert len(streaming.generate(seed=range(40))) == 40  # meanwhile nobody reads
    time.sleep(0.3)
    assert 1 + sum(1 for _ in pictures) == 8 * 200


def test_requests_outlive_a_killed_process_and_a_restarted_server(tmp_path: Path) -> None:
    write_model(tmp_path / "models")
    seeds = {"seed": np.array([7])}
    with EmbeddedServer(tmp_path / "models", log=tmp_path / "log") as server:
        port = int(server.grpc_url.rpartition(":")[2])
        client = Client(f"{server.grpc_url}/sketch", retries=Retries(most_seconds=0.2))
        hasty = Client(f"{server.grpc_url}/sketch", retries=NO_RETRIES)
        (stub,) = (
            process
            for process in psutil.Process(server.process_id).children(recursive=True)
            if "triton_python_backend_stub" in process.name() or "stub" in " ".join(process.cmdline()[:1])
        )
        # Longer than a machine stands still: the stream has to begin.
        pictures = hasty.stream(Options(preview_every=1, answer_seconds=3), seed=[7, SILENT])
        assert [next(pictures).step for _ in range(4)] == [1, 2, 3, 4]
        stub.kill()  # while it sends nothing: Triton does not outlive a process that dies within its lock
        with pytest.raises(EndpointUnavailable):  # the server never ends this stream
            for _ in pictures:
                pass
        with pytest.raises(EndpointUnavailable, match=r"lost the process|streamed nothing"):
            hasty.generate(Options(answer_seconds=0.5), seed=7)
        waiting = [client.submit(seeds, Options(answer_seconds=3)) for _ in range(20)]
        os.killpg(server.process_id, signal.SIGKILL)
    with pytest.raises(EndpointUnavailable):
        hasty.generate(seed=7)
    waiting += [client.submit(seeds) for _ in range(20)]
    with EmbeddedServer(tmp_path / "models", grpc_port=port, log=tmp_path / "log"):
        assert {int(one.result()["image"][0, 0, 0, 0]) for one in waiting} == {expected(7, 4)}
    client.close()
    hasty.close()
