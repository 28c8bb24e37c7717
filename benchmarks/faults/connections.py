"""Faults of connections: a client that is killed, readers that do not read, and connections that say nothing."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from ...runners.triton import messages
from ...serving.clients.client import Client
from ..load.measuring.requests import Requests
from .base import Fault, Scene
from .clients import inputs_of, rows_of

__all__ = ["FAULTS"]

CONNECTIONS = 200
READERS, UNREAD = 8, 8
HOLD_SECONDS = 5.0
KILLED = 4
_LEAVER = """
import sys, time
from tritonclient.grpc import InferenceServerClient
from litho.benchmarks.faults.clients import inputs_of, rows_of
from litho.runners import Endpoint
from litho.serving.clients import Client
endpoint = Endpoint.parse(sys.argv[1])
with Client(str(endpoint)) as client:
    signature = client.signature
client = InferenceServerClient(endpoint.address)
client.start_stream(lambda result, error: print(error or "picture", flush=True))
for row in rows_of(signature) * 4:
    client.async_stream_infer(endpoint.model, inputs_of(signature, row))
time.sleep(60)
"""
"""A client with 32 requests on one stream, killed after its first answer."""


def _client_gone(scene: Scene) -> Mapping[str, Any]:
    answered = 0
    for _ in range(KILLED):
        with subprocess.Popen(
            [sys.executable, "-c", _LEAVER, scene.serving.endpoint], stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdout is not None
            answered += client.stdout.readline().strip() == "picture"
            client.send_signal(signal.SIGKILL)
    scene.ended()
    return {"killed": KILLED, "after_a_picture": answered}


def _slow_reader(scene: Scene) -> Mapping[str, Any]:
    with Client(scene.serving.endpoint) as client:
        block = scene.signature.with_defaults(Requests(scene.signature, 500).take(client.max_batch_size))
    with ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(_unread_stream(scene, block))
        if scene.serving.decoupled:  # which HTTP does not serve
            time.sleep(HOLD_SECONDS)
            read = 0
        else:
            read = _read_slowly(scene, block)
    scene.ended()
    return {"readers": READERS, "bytes_read": read, **_slowdown(scene)}


def _read_slowly(scene: Scene, block: Mapping[str, Any]) -> int:
    """Bytes that some HTTP clients have read after a while."""
    body = json.dumps({"inputs": [_entry(field, block) for field in scene.signature.inputs]}).encode()
    head = f"POST /v2/models/{scene.endpoint.model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with ExitStack() as stack:
        readers = [stack.enter_context(_connection(scene.serving.http)) for _ in range(READERS)]
        for reader in readers:
            reader.sendall(head.encode() + body)
        end = time.monotonic() + HOLD_SECONDS
        read = 0
        while time.monotonic() < end:
            read += sum(len(reader.recv(10)) for reader in readers)
            time.sleep(0.1)
        return read


@contextmanager
def _unread_stream(scene: Scene, block: Mapping[str, Any]) -> Iterator[None]:
    """A gRPC stream with many requests whose answers nobody reads: its window fills up."""
    request = messages.ModelInferRequest(model_name=scene.endpoint.model)
    for given in inputs_of(scene.signature, block):
        request.inputs.add(name=given.name(), datatype=given.datatype(), shape=given.shape())
        request.raw_input_contents.append(given._get_content() or b"")
    with grpc.insecure_channel(scene.endpoint.address, [("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        stream = stub.ModelStreamInfer(iter([request] * UNREAD))
        try:
            yield
        finally:
            stream.cancel()


def _entry(field: Any, block: Mapping[str, Any]) -> dict[str, Any]:
    array = block[field.name]
    values = [one.decode() if isinstance(one, bytes) else one for one in array.ravel().tolist()]
    shape = list(array.shape) if field.shape else [len(array), 1]
    return {"name": field.name, "datatype": field.dtype, "shape": shape, "data": values}


def _idle(scene: Scene) -> Mapping[str, Any]:
    addresses = (scene.serving.http, scene.endpoint.address)
    with ExitStack() as stack:
        held = [stack.enter_context(_connection(one)) for one in addresses for _ in range(CONNECTIONS)]
        half = held[::10]
        for one in half:
            one.sendall(b"POST /v2/models/")  # a request that never ends
        time.sleep(2 * HOLD_SECONDS)
        fresh = "" if scene.serving.decoupled else _ask(scene)
    scene.ended()
    return {"connections": len(held), "a_new_client": fresh, **_slowdown(scene)}


def _ask(scene: Scene) -> str:
    connection = http.client.HTTPConnection(scene.serving.http, timeout=20)
    row = rows_of(scene.signature)[0]
    body = json.dumps({"inputs": [_entry(field, row) for field in scene.signature.inputs]})
    try:
        connection.request("POST", f"/v2/models/{scene.endpoint.model}/infer", body)
        status = connection.getresponse().status
    except OSError as error:
        scene.problems.append(f"a new client got {error}")
        return str(error)
    finally:
        connection.close()
    return str(status)


def _slowdown(scene: Scene) -> dict[str, Any]:
    """Latency of the other clients before and during the fault."""

    def median(since: float, until: float) -> float | None:
        times = [
            (one.ended - one.began) * 1e3
            for one in scene.load.records
            if one.outcome == "OK" and since <= one.ended < until
        ]
        return round(float(np.median(times)), 1) if times else None

    return {
        "p50_ms_before": median(0, scene.faulty_from),
        "p50_ms_during": median(scene.faulty_from, scene.whole_from),
    }


def _connection(address: str) -> socket.socket:
    parts = urlsplit(f"//{address}")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect((parts.hostname, parts.port))
    return connection


FAULTS = (
    Fault("client-gone", f"{KILLED} clients, each with 32 requests on one stream, get SIGKILL", _client_gone),
    Fault(
        "slow-reader",
        f"{READERS} clients read 100 bytes a second of the largest batch, {READERS} streams are not read",
        _slow_reader,
    ),
    Fault("idle-connections", f"{CONNECTIONS} silent connections on each port", _idle),
)
