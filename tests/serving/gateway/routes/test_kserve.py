"""KServe's protocol at a real gateway before a real Triton: Triton's own client, and requests that it never sends."""

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from litho.runners import open_runner
from litho.serving.gateway.program import Program
from litho.serving.provenance.receipt import parse_receipt, pixels_sha256
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway, standing_still
from ....streaming import SILENT, cancelled_requests, expected

SEEDS = np.arange(6, dtype=np.int64) * 10**17
LABELS = np.arange(6, dtype=np.int64) % 10


@pytest.fixture
def client(gateway: Program) -> tritonclient.http.InferenceServerClient:
    return tritonclient.http.InferenceServerClient(gateway.url.removeprefix("http://"))


def tensors(binary: bool, **arrays: np.ndarray) -> list[tritonclient.http.InferInput]:
    made = []
    for name, array in arrays.items():
        made.append(tritonclient.http.InferInput(name, [len(array), 1], "INT64"))
        made[-1].set_data_from_numpy(array[:, None], binary_data=binary)
    return made


def answered(url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    asked = urllib.request.Request(
        url, body, {name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "raw"])
def test_tritons_client_gets_the_pictures_made_in_process(
    client: tritonclient.http.InferenceServerClient, bundle: Path, binary: bool
) -> None:
    with open_runner(bundle) as runner:
        made = runner.run({"seed": SEEDS, "label": LABELS})["image"].astype(int)
    wanted = [tritonclient.http.InferRequestedOutput("image", binary_data=binary)]
    given = tensors(binary, seed=SEEDS, label=LABELS)
    result = client.infer("tiny", given, request_id="mine", outputs=wanted, timeout=60_000_000)
    images = result.as_numpy("image")
    assert images is not None
    assert np.abs(images - made).max() <= 1
    assert (images == made).mean() >= 0.999
    said = result.get_response()
    assert (said["id"], said["model_name"], said["model_version"]) == ("mine", "tiny", "1")
    again = client.infer("tiny", given, model_version="1", parameters={"receipts": True})
    images = again.as_numpy("image")
    assert images is not None
    assert np.abs(images.astype(int) - made).max() <= 1
    receipts = json.loads(again.get_response()["parameters"]["receipts"])
    assert [one["fields"]["seed"] for one in receipts] == SEEDS.tolist()
    for receipt, image in zip(receipts, images, strict=True):
        parse_receipt(json.dumps(receipt).encode()).check()
        assert receipt["pixels_sha256"] == pixels_sha256(image)


def test_tritons_client_finds_server_and_model(client: tritonclient.http.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("tiny", "2")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "litho"
    metadata = client.get_model_metadata("tiny")
    assert [(one["name"], one["datatype"], one["shape"]) for one in metadata["inputs"]] == [
        ("seed", "INT64", [-1, 1]),
        ("label", "INT64", [-1, 1]),
        ("truncation", "FP32", [-1, 1]),
    ]
    assert metadata["outputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 32, 1]}]
    config = client.get_model_config("tiny", "1")
    assert config["max_batch_size"] == 10  # the gateway's own limit is the smaller one
    assert config["parameters"]["litho_bundle"]["string_value"] == "tiny"
    assert "instance_group" not in config


def test_tritons_client_is_told_what_is_wrong(client: tritonclient.http.InferenceServerClient) -> None:
    given = tensors(True, seed=SEEDS, label=LABELS)
    with pytest.raises(InferenceServerException, match=r"\[404\] no model has this name; there are: tiny"):
        client.infer("other", given)
    with pytest.raises(InferenceServerException, match=r"\[404\] model 'tiny' is served in version 1 only"):
        client.infer("tiny", given, model_version="7")
    with pytest.raises(InferenceServerException, match=r"\[400\] field 'label' is missing"):
        client.infer("tiny", given[:1])
    with pytest.raises(InferenceServerException, match=r"\[400\] .*'sequence_id'"):
        client.infer("tiny", given, sequence_id=5)
    with pytest.raises(InferenceServerException, match=r"\[415\] the body has a Content-Encoding"):
        client.infer("tiny", given, request_compression_algorithm="gzip")
    shared = tritonclient.http.InferInput("seed", [6, 1], "INT64")
    shared.set_shared_memory("region", 48)
    with pytest.raises(InferenceServerException, match=r"\[400\] .*'shared_memory_region'"):
        client.infer("tiny", [shared, given[1]])
    for operation in (client.get_model_repository_index, client.get_log_settings, client.get_trace_settings):
        with pytest.raises(InferenceServerException, match=r"\[404\] there is no such path"):
            operation()


DEADLY = {
    "an empty batch": {"shape": [0, 1], "data": []},
    "a huge shape": {"shape": [10**9, 10**9], "data": [1]},
    "lists without end": {"shape": [1, 1], "data": json.loads("[" * 900 + "]" * 900)},
    "another element type": {"shape": [1, 1], "datatype": "BYTES", "data": ["a"]},
    "more bytes than there are": {"shape": [1, 1], "parameters": {"binary_data_size": 2**31 - 1}},
}
"""Requests that end Triton 24.10, and their like."""


@pytest.mark.parametrize("name", DEADLY)
def test_what_ends_triton_never_reaches_it(gateway: Program, server: EmbeddedServer, name: str) -> None:
    tensor = {"name": "seed", "datatype": "INT64"} | DEADLY[name]
    document = {"inputs": [tensor, {"name": "label", "shape": [1, 1], "datatype": "INT64", "data": [1]}]}
    with standing_still(server):  # what reached it would not be answered
        status, said = answered(f"{gateway.url}/v2/models/tiny/infer", json.dumps(document).encode())
    assert status == 400
    assert isinstance(said["error"], str)
    assert said["type"] == "invalid_request_error"


def test_a_model_in_flight_answers_with_all_pictures_at_once(
    streaming_server: EmbeddedServer, streaming_folder: Path
) -> None:
    with running_gateway(streaming_server.grpc_url) as gateway:
        client = tritonclient.http.InferenceServerClient(gateway.url.removeprefix("http://"))
        steps = np.array([3, 5])
        images = client.infer("sketch", tensors(True, seed=np.array([1, 2]), steps=steps)).as_numpy("image")
        assert images is not None
        assert images[:, 0, 0, 0].tolist() == [expected(1, 3), expected(2, 5)]
        assert client.get_model_config("sketch")["model_transaction_policy"] == {"decoupled": False}
        before = cancelled_requests(streaming_folder)
        deadline = time.monotonic() + 60
        while cancelled_requests(streaming_folder) == before:
            assert time.monotonic() < deadline
            _ask_and_leave(gateway.url)  # again where the client left before the model had the request
        counted = answered_text(f"{gateway.url}/metrics")
        assert 'litho_gateway_rejected_total{reason="client_gone"}' in counted
        assert 'litho_gateway_pictures_total{model="sketch"} 2.0' in counted
    with running_gateway(streaming_server.grpc_url, most_steps=4, most_pictures=1) as gateway:
        document = {
            "inputs": [
                {"name": "seed", "shape": [1, 1], "datatype": "INT64", "data": [1]},
                {"name": "steps", "shape": [1, 1], "datatype": "INT64", "data": [5]},
            ]
        }
        url = f"{gateway.url}/v2/models/whole/infer"
        status, said = answered(url, json.dumps(document).encode())
        assert (status, said["error"]) == (400, "input 'steps' was given 5; this gateway allows 4")


def _ask_and_leave(url: str) -> None:
    """Ask for a picture that never comes, and close the connection once it is under way."""
    host, _, port = url.removeprefix("http://").partition(":")
    tensor = {"name": "seed", "shape": [1, 1], "datatype": "INT64", "data": [SILENT]}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/sketch/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        while "litho_gateway_requests_in_flight 2.0" not in answered_text(f"{url}/metrics"):
            pass
        time.sleep(0.1)  # on its way to the model
    while "litho_gateway_requests_in_flight 1.0" not in answered_text(f"{url}/metrics"):
        pass


def answered_text(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()
