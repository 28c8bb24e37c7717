"""Clients that litho did not write, against its server: their pictures are those of the same bundle in process."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from numpy.typing import NDArray

from litho.runners import open_runner
from litho.serving.server.embedded import EmbeddedServer

MODEL = "tiny"
SEEDS = np.arange(6, dtype=np.int64) * 10**17
LABELS = np.arange(6, dtype=np.int64) % 10

PERF_ANALYZER = os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")
"""NVIDIA's load generator; CONTRIBUTING.md says where to get it."""

Ask = Callable[[EmbeddedServer, Path], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def pictures(bundle: Path) -> NDArray[np.uint8]:
    with open_runner(bundle) as runner:
        return runner.run({"seed": SEEDS, "label": LABELS})["image"]


def address(url: str) -> str:
    return url.partition("://")[2]


def tensors(module: Any) -> list[Any]:
    """The request's inputs as a client of Triton takes them."""
    given = []
    for name, array in (("seed", SEEDS), ("label", LABELS)):
        given.append(module.InferInput(name, [len(array), 1], "INT64"))
        given[-1].set_data_from_numpy(array[:, None])
    return given


def document() -> dict[str, Any]:
    """The request's inputs as JSON."""
    return {
        "inputs": [
            {"name": name, "datatype": "INT64", "shape": [len(array), 1], "data": array.tolist()}
            for name, array in (("seed", SEEDS), ("label", LABELS))
        ]
    }


def grpc(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    with tritonclient.grpc.InferenceServerClient(address(server.grpc_url)) as client:
        answer: Any = client.infer(MODEL, tensors(tritonclient.grpc))
        return answer.as_numpy("image")


def compressed_grpc(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    with tritonclient.grpc.InferenceServerClient(address(server.grpc_url)) as client:
        answer: Any = client.infer(MODEL, tensors(tritonclient.grpc), compression_algorithm="gzip")
        return answer.as_numpy("image")


def grpc_asyncio(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    async def ask() -> Any:
        async with tritonclient.grpc.aio.InferenceServerClient(address(server.grpc_url)) as client:
            one, two = await asyncio.gather(
                *(client.infer(MODEL, tensors(tritonclient.grpc)) for _ in range(2))
            )
            np.testing.assert_array_equal(one.as_numpy("image"), two.as_numpy("image"))
            return one.as_numpy("image")

    return asyncio.run(ask())


def http(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    with tritonclient.http.InferenceServerClient(address(server.http_url)) as client:
        answer: Any = client.infer(MODEL, tensors(tritonclient.http))
        return answer.as_numpy("image")


def compressed_http(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    with tritonclient.http.InferenceServerClient(address(server.http_url)) as client:
        answer: Any = client.infer(
            MODEL,
            tensors(tritonclient.http),
            request_compression_algorithm="gzip",
            response_compression_algorithm="deflate",
        )
        return answer.as_numpy("image")


def http_asyncio(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    async def ask() -> Any:
        async with tritonclient.http.aio.InferenceServerClient(address(server.http_url)) as client:
            return (await client.infer(MODEL, tensors(tritonclient.http))).as_numpy("image")

    return asyncio.run(ask())


def curl(server: EmbeddedServer, *options: str, body: bytes) -> bytes:
    url = f"{server.http_url}/v2/models/{MODEL}/infer"
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*", *options]
    done = subprocess.run([*command, "--data-binary", "@-", url], input=body, capture_output=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def curl_json(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    answer = json.loads(curl(server, body=json.dumps(document()).encode()))
    (output,) = answer["outputs"]
    return np.array(output["data"], np.uint8).reshape(output["shape"])


def curl_chunked(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    body = json.dumps(document()).encode()
    (output,) = json.loads(curl(server, "--header", "Transfer-Encoding: chunked", body=body))["outputs"]
    return np.array(output["data"], np.uint8).reshape(output["shape"])


def curl_binary(server: EmbeddedServer, folder: Path) -> NDArray[np.uint8]:
    """The binary extension: a JSON header, then the bytes of each tensor, both ways."""
    header = document()
    for one in header["inputs"]:
        one["parameters"] = {"binary_data_size": 8 * len(one.pop("data"))}
    header["parameters"] = {"binary_data_output": True}
    text = json.dumps(header).encode()
    body = text + SEEDS.tobytes() + LABELS.tobytes()
    heads = folder / "headers"
    options = ("--header", f"Inference-Header-Content-Length: {len(text)}", "--dump-header", str(heads))
    answer = curl(server, *options, body=body)
    found = re.search(r"Inference-Header-Content-Length: (\d+)", heads.read_text(), re.IGNORECASE)
    assert found is not None
    length = int(found[1])
    (output,) = json.loads(answer[:length])["outputs"]
    assert len(answer) == length + output["parameters"]["binary_data_size"]
    return np.frombuffer(answer[length:], np.uint8).reshape(output["shape"])


CLIENTS: tuple[Ask, ...] = (
    grpc,
    compressed_grpc,
    grpc_asyncio,
    http,
    compressed_http,
    http_asyncio,
    curl_json,
    curl_chunked,
    curl_binary,
)


@pytest.mark.parametrize("ask", CLIENTS, ids=[ask.__name__ for ask in CLIENTS])
def test_a_client_that_litho_did_not_write_gets_the_pictures_of_the_bundle(
    ask: Ask, server: EmbeddedServer, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    if ask.__name__.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    np.testing.assert_array_equal(ask(server, tmp_path), pictures)


def test_a_refusal_has_the_same_words_over_grpc_and_http(server: EmbeddedServer) -> None:
    words = []
    for module, url in ((tritonclient.grpc, server.grpc_url), (tritonclient.http, server.http_url)):
        inputs = tensors(module)
        inputs[1].set_data_from_numpy(np.full((6, 1), 10, np.int64))
        with (
            module.InferenceServerClient(address(url)) as client,
            pytest.raises(Exception, match="'label' was given value 10") as refused,
        ):
            client.infer(MODEL, inputs)
        words.append(refused.value.message())
    assert words[0] == words[1]


@pytest.mark.skipif(PERF_ANALYZER is None, reason="perf_analyzer is not on PATH and PERF_ANALYZER not set")
def test_perf_analyzer_ends_without_an_error(server: EmbeddedServer, tmp_path: Path) -> None:
    entries = [
        {
            "seed": {"content": [int(seed)], "shape": [1]},
            "label": {"content": [int(label)], "shape": [1]},
            "truncation": {"content": [1.0], "shape": [1]},
        }
        for seed, label in zip(SEEDS, LABELS, strict=True)
    ]
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"data": entries}))
    report = tmp_path / "report.csv"
    options = ("-i", "grpc", "--concurrency-range", "4", "--request-count", "200", "-f", str(report))
    done = subprocess.run(
        [
            str(PERF_ANALYZER),
            "-m",
            MODEL,
            "-u",
            address(server.grpc_url),
            "--input-data",
            str(data),
            *options,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "error" not in done.stdout.lower()
    assert report.read_text().startswith("Concurrency,Inferences/Second")
