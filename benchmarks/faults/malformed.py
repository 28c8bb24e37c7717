"""Seeded random requests that break the protocol or the signature, none of which may hurt a server."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from ...runners.triton import messages
from ...signature import Signature
from .clients import Row, inputs_of
from .serving import Serving

__all__ = ["Malformed", "send"]

METHOD = "/inference.GRPCInferenceService/ModelInfer"
STREAM_METHOD = "/inference.GRPCInferenceService/ModelStreamInfer"
SECONDS = 20.0
DTYPES = ("FP16", "BYTES", "BOOL", "UINT8", "INT32", "FP64", "BF16", "", "INT65", "int64", "é", "X" * 5000)
NAMES = ("", "Seed", "seed\0", "../seed", "image", "n" * 10_000, "\u202e", "seed ", "%s%n", "START")
SIZES = (-1, -(2**62), 2**31, 2**40, 2, 3, 7, 65, 1000)
HEADERS = ("-1", "0", "1", "99999999", "x", str(2**70), "")
PARAMETERS: tuple[tuple[str, str, Any], ...] = (
    ("priority", "int64_param", -1),
    ("priority", "uint64_param", 2**63),
    ("priority", "string_param", "high"),
    ("timeout", "int64_param", -5),
    ("timeout", "string_param", "soon"),
    ("sequence_id", "int64_param", 7),
    ("sequence_id", "string_param", "s" * 300),
    ("sequence_start", "bool_param", True),
    ("sequence_end", "bool_param", True),
    ("binary_data_output", "bool_param", False),
    ("triton_enable_empty_final_response", "bool_param", True),
    ("triton_final_response", "string_param", "x"),
    ("preview_every", "int64_param", -3),
    ("", "string_param", ""),
)
Request = bytes | Any
"""A message of gRPC, the bytes of one after `GRPC`, or the body of an HTTP request after its header's length."""


class Malformed:
    """Requests, the same for the same seed; iterates over pairs of what is wrong and the request.

    Args:
        model: name of the model.
        rows: good requests, which are changed.
        signature: of the model.
        count: number of requests.
        seed: of the choice.
    """

    def __init__(
        self, model: str, rows: Sequence[Row], signature: Signature, count: int, seed: int = 0
    ) -> None:
        self._model, self._rows, self._signature, self._count = model, rows, signature, count
        self._random = random.Random(seed)

    def __iter__(self) -> Iterator[tuple[str, Request]]:
        kinds: dict[str, Callable[[], Request]] = {
            "datatype": lambda: self._changed(lambda one: setattr(one, "datatype", self._one(DTYPES))),
            "name": lambda: self._changed(lambda one: setattr(one, "name", self._one(NAMES))),
            "shape": lambda: self._changed(self._reshape),
            "size": self._wrong_size,
            "entries": self._wrong_entries,
            "parameter": self._parameter,
            "version": self._version,
            "region": self._region,
            "output": self._output,
            "bytes": lambda: ("grpc", self._noise()),
            "protobuf": lambda: ("grpc", self._flipped(self._good().SerializeToString())),
            "json": lambda: ("http", self._flipped(json.dumps(self._json()).encode()), None),
            "json value": self._json_value,
            "nested": lambda: (
                "http",
                b"[" * self._one((10, 1000, 100_000)),
                None,
            ),
            "header length": lambda: ("http", json.dumps(self._json()).encode(), self._one(HEADERS)),
        }
        names = list(kinds)
        for _ in range(self._count):
            kind = self._one(names)
            yield kind, kinds[kind]()

    def _one(self, among: Sequence[Any]) -> Any:
        return self._random.choice(among)

    def _good(self) -> Any:
        request = messages.ModelInferRequest(model_name=self._model, id=str(self._random.random()))
        for given in inputs_of(self._signature, self._one(self._rows)):
            request.inputs.add(name=given.name(), datatype=given.datatype(), shape=given.shape())
            request.raw_input_contents.append(given._get_content() or b"")
        return request

    def _changed(self, change: Callable[[Any], None]) -> Any:
        request = self._good()
        change(self._one(request.inputs))
        return request

    def _reshape(self, one: Any) -> None:
        shape = [*one.shape]
        match self._random.randrange(3):
            case 0:
                shape[self._random.randrange(len(shape))] = self._one(SIZES)
            case 1:
                shape += [1] * self._one((1, 2, 70))
            case _:
                shape = shape[1:]
        del one.shape[:]
        one.shape.extend(shape)

    def _wrong_size(self) -> Any:
        request = self._good()
        index = self._random.randrange(len(request.raw_input_contents))
        content = request.raw_input_contents[index]
        cut = content[: self._random.randrange(len(content) or 1)]
        request.raw_input_contents[index] = self._one(
            (cut, content + b"\0", content * 2, b"", b"\xff" * 4096)
        )
        return request

    def _wrong_entries(self) -> Any:
        request = self._good()
        match self._random.randrange(5):
            case 0:
                del request.inputs[0]
            case 1:
                del request.raw_input_contents[-1]
            case 2:
                request.raw_input_contents.append(b"12345678")
            case 3:
                request.inputs.append(request.inputs[0])
                request.raw_input_contents.append(request.raw_input_contents[0])
            case _:
                del request.raw_input_contents[:]
                request.inputs[0].contents.fp32_contents.extend([0.5] * 3)
        return request

    def _parameter(self) -> Any:
        request = self._good()
        name, kind, value = self._one(PARAMETERS)
        setattr(request.parameters[name], kind, value)
        return request

    def _version(self) -> Any:
        request = self._good()
        if self._random.random() < 0.5:
            request.model_version = self._one(("99", "-1", "abc", "1" * 40, " "))
        else:
            request.model_name = self._one(NAMES)
        return request

    def _region(self) -> Any:
        request = self._good()
        one = self._one(request.inputs)
        one.parameters["shared_memory_region"].string_param = self._one(("nowhere", "", "/litho/x"))
        one.parameters["shared_memory_byte_size"].int64_param = self._one((-1, 0, 8, 2**40))
        if self._random.random() < 0.5:
            del request.raw_input_contents[:]
        return request

    def _output(self) -> Any:
        request = self._good()
        output = request.outputs.add(name=self._one((self._signature.output.name, *NAMES)))
        output.parameters["classification"].int64_param = self._one((-1, 0, 3, 2**40))
        return request

    def _noise(self) -> bytes:
        return self._random.randbytes(self._one((1, 10, 1000, 100_000)))

    def _flipped(self, content: bytes) -> bytes:
        """Content with some bytes changed, or only its beginning."""
        changed = bytearray(content)
        for _ in range(self._one((1, 3, 20))):
            changed[self._random.randrange(len(changed))] = self._random.randrange(32, 127)
        return bytes(
            changed if self._random.random() < 0.7 else changed[: self._random.randrange(len(changed))]
        )

    def _json(self) -> dict[str, Any]:
        row = self._one(self._rows)
        return {
            "inputs": [
                {
                    "name": given.name(),
                    "datatype": given.datatype(),
                    "shape": list(given.shape()),
                    "data": [_plain(value) for value in row[given.name()].ravel()],
                }
                for given in inputs_of(self._signature, row)
            ]
        }

    def _json_value(self) -> Any:
        document = self._json()
        one = self._one(document["inputs"])
        key = self._one(("name", "datatype", "shape", "data", "parameters", "extra"))
        values = (None, "x", -1, 1e300, 2**70, [], {}, [None], ["1"], [[1, [2]]], True, [[]], {"a": 1})
        one[key] = self._one(values)
        if self._random.random() < 0.1:
            document[self._one(("inputs", "outputs", "id", "parameters"))] = self._one(values)
        return "http", json.dumps(document).encode(), None


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def send(serving: Serving, request: Request, *, streamed: bool = False) -> str:
    """Send one request over a connection of its own.

    Args:
        serving: the server.
        streamed: send what goes over gRPC on a stream, as a decoupled model wants it.
        request: a message for gRPC; ("grpc", bytes of a message); ("http", body, header length or None); or a body.

    Returns:
        "answered", "refused: CODE and message", or "gone: why" if the server closed the connection.
    """
    if isinstance(request, bytes):
        return _send_http(serving, request, None)
    if isinstance(request, tuple):
        kind, content, *rest = request
        if kind == "http":
            return _send_http(serving, content, rest[0])
    else:
        content = request.SerializeToString()
    return _send_grpc(serving, content, streamed)


def _send_grpc(serving: Serving, content: bytes, streamed: bool) -> str:
    address = serving.endpoint.removeprefix("grpc://").partition("/")[0]
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            if not streamed:
                channel.unary_unary(METHOD, bytes, bytes)(content, timeout=SECONDS)
                return "answered"
            ask = channel.stream_stream(STREAM_METHOD, bytes, messages.ModelStreamInferResponse.FromString)
            errors = [one.error_message for one in ask(iter([content]), timeout=SECONDS) if one.error_message]
            return f"refused: {errors[0][:200]}" if errors else "answered"
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""  # pyright: ignore[reportAttributeAccessIssue]
            lost = any(word in details.lower() for word in ("socket closed", "connection", "goaway"))
            return f"{'gone' if lost else 'refused'}: {code.name} {details[:200]}"


def _send_http(serving: Serving, body: bytes, length: str | None) -> str:
    model = serving.endpoint.rpartition("/")[2]
    headers = {} if length is None else {"Inference-Header-Content-Length": length}
    connection = http.client.HTTPConnection(serving.http, timeout=SECONDS)
    try:
        connection.request("POST", f"/v2/models/{model}/infer", body, headers)
        answer = connection.getresponse()
        said = answer.read()[:200].decode(errors="replace")
        return "answered" if answer.status == 200 else f"refused: {answer.status} {said}"
    except TimeoutError:
        return "gone: no answer"
    except (http.client.HTTPException, OSError) as error:
        return f"gone: {type(error).__name__} {error}"
    finally:
        connection.close()
