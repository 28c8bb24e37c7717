"""Requests to the gateway that are wrong in every way: each gets the right status, and the next one is fine."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from litho.serving.gateway.program import Program

GENERATIONS = "/v1/images/generations"
SECRET = "zebra-and-quartz"
"""Stands in requests, and may stand in no answer."""

FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "n"),
    ({"n": -1}, "n"),
    ({"n": 11}, "n"),
    ({"n": 10**400}, "n"),
    ({"n": 1.5}, "n"),
    ({"n": "2"}, "n"),
    ({"n": True}, "n"),
    ({"n": [1]}, "n"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**63}, "seed"),
    ({"seed": 10**400}, "seed"),
    ({"seed": 0.5}, "seed"),
    ({"seed": "seven"}, "seed"),
    ({"seed": [1, 2]}, "seed"),
    ({"seed": {"$gt": 0}}, "seed"),
    ({"label": 10}, "label"),
    ({"label": -1}, "label"),
    ({"label": SECRET}, "label"),
    ({"label": [1, 2]}, "label"),
    ({"prompt": SECRET}, "prompt"),
    ({"prompt": "x" * 100_000}, "prompt"),
    ({"prompt": "\ud800"}, "prompt"),
    ({"prompt": "\0"}, "prompt"),
    ({"prompt": 7.5}, "prompt"),
    ({"prompt": ["3"]}, "prompt"),
    ({"size": "1x1"}, "size"),
    ({"size": "32"}, "size"),
    ({"size": "-32x32"}, "size"),
    ({"size": "3²x32"}, "size"),
    ({"size": f"{10**30}x{10**30}"}, "size"),
    ({"size": [32, 32]}, "size"),
    ({"response_format": "file"}, "response_format"),
    ({"output_format": "gif"}, "output_format"),
    ({"output_format": "../png"}, "output_format"),
    ({"output_compression": 101, "output_format": "jpeg"}, "output_compression"),
    ({"output_compression": -1, "output_format": "webp"}, "output_compression"),
    ({"output_compression": "high", "output_format": "webp"}, "output_compression"),
    ({"quality": "hd"}, "quality"),
    ({"style": "vivid"}, "style"),
    ({"stream": "yes"}, "stream"),
    ({"stream": True, "partial_images": 4}, "partial_images"),
    ({"stream": True, "partial_images": -1}, "partial_images"),
    ({"steps": 4}, "steps"),
    ({"guidance": 2.0}, "guidance"),
    ({"negative_prompt": SECRET}, "negative_prompt"),
    ({"latent": [0.0]}, "latent"),
    ({"variant": "fp64"}, "variant"),
    ({"variant": 8}, "variant"),
    ({"colour": "red"}, "colour"),
    ({"__class__": 1}, "__class__"),
    ({"user": {"name": SECRET}}, "user"),
    ({"user": "u" * 10_000}, "user"),
    ({"model": 3}, "model"),
]
"""Fields beside model "tiny", and the one that the answer names."""

BODIES = {
    "empty": b"",
    "half": b'{"model": "tiny"',
    "null": b"null",
    "list": b'[{"model": "tiny"}]',
    "text": b'"tiny"',
    "not UTF-8": b'{"model": "tiny", "prompt": "\xff\xfe"}',
    "UTF-16": '{"model": "tiny"}'.encode("utf-16"),
    "deep": b'{"model": "tiny", "prompt": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep and open": b"[" * 900_000,
    "NaN": b'{"model": "tiny", "seed": NaN}',
    "Infinity": b'{"model": "tiny", "seed": -Infinity}',
    "long number": b'{"model": "tiny", "seed": ' + b"9" * 100_000 + b"}",
    "large exponent": b'{"model": "tiny", "seed": 1e999999}',
    "twice": b'{"model": "tiny", "seed": 1, "seed": 2, "n": 0}',
    "two documents": b'{"model": "tiny"}{"model": "tiny"}',
    "control characters": b'{"model": "ti\x00ny"}',
    "noise": bytes(range(256)) * 40,
}

KINDS = {
    "text": {"Content-Type": "text/plain"},
    "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "parts": {"Content-Type": "multipart/form-data; boundary=x"},
    "parts without boundary": {"Content-Type": "multipart/form-data"},
    "nonsense": {"Content-Type": "application/json/x;;;="},
}

WIRE = {
    "noise": bytes(range(256)) * 8,
    "no head": b"\r\n\r\n\r\n",
    "old": b"GET /healthz\r\n\r\n",
    "TLS": bytes.fromhex("16030100f1010000ed0303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "negative length": b"POST /v1/images/generations HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "length and pieces": (
        b"POST /v1/images/generations HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    "pieces of no size": (
        b"POST /v1/images/generations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
    "long line": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "long header": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    "header of a control character": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
    "unknown method": b"BREW /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
}

PATHS = (
    "/v1/models/..%2f..%2fetc%2fpasswd",
    "/v1/models/%00",
    "/v1/models/%ff%fe",
    "/v1/models/tiny%2f1",
    "/v1/models/" + "m" * 5_000,
    "/v1/models/\u6a21\u578b",
    "/v1/files/pictures/..%2f..%2f..%2fetc%2fpasswd",
    "/v1/files/pictures/%2e%2e%2fx.png",
    "/v1/files/pictures/" + "0" * 5_000 + ".png",
    "/v1/files/pictures/.png",
    "/v2/models/..%2ftiny/infer",
    "/v2/models/tiny/versions/-1",
    "/v2/models/tiny/versions/99999999999999999999",
    "/.env",
    "//etc/passwd",
    "/static/../settings.py",
)


@pytest.fixture(scope="module")
def client(gateway: Program) -> Any:
    import httpx

    with httpx.Client(base_url=gateway.url, timeout=120) as opened:
        yield opened


def check_refusal(answer: httpx.Response, statuses: set[int], param: str | None = None) -> dict[str, Any]:
    """The error of an answer, after a look at its form."""
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"].startswith("application/json")
    document = answer.json()
    if answer.request.url.path.startswith("/v2"):
        error = {"message": document["error"], **document}  # as clients of KServe's protocol expect
    else:
        assert set(document) == {"error"}
        error = document["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"]
    assert error["message"].count("\n") == 0
    assert len(error["message"]) < 1000
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert "/home" not in answer.text
    if param is not None:
        assert error["param"] == param
    return error


def check_fine(client: httpx.Client) -> None:
    """An ordinary request is answered."""
    answer = client.post(GENERATIONS, json={"model": "tiny", "label": 3, "seed": 7})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("fields", "param"), FIELDS, ids=lambda one: json.dumps(one)[:40])
def test_a_field_that_is_wrong_is_named(client: httpx.Client, fields: dict[str, Any], param: str) -> None:
    check_refusal(
        client.post(
            GENERATIONS,
            content=json.dumps({"model": "tiny", **({} if "prompt" in fields else {"label": 3}), **fields}),
            headers={"Content-Type": "application/json"},
        ),
        {400, 404} if "model" in fields else {400},
        param,
    )


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, body: bytes) -> None:
    check_refusal(
        client.post(GENERATIONS, content=body, headers={"Content-Type": "application/json"}), {400, 413}
    )
    check_fine(client)


def test_the_name_of_a_field_that_utf_8_cannot_hold_is_refused(client: httpx.Client) -> None:
    body = b'{"model": "tiny", "label": 3, "\\ud800": 1}'
    answer = client.post(GENERATIONS, content=body, headers={"Content-Type": "application/json"})
    check_refusal(answer, {400})


@pytest.mark.parametrize("headers", KINDS.values(), ids=KINDS)
def test_a_body_of_another_kind_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    body = b'{"model": "tiny", "label": 3}'
    check_refusal(client.post(GENERATIONS, content=body, headers=headers), {400, 415})


@pytest.mark.parametrize(
    "name", ["", "TINY", "tiny ", "tiny/1", "../tiny", "tiny-canary", "\u202etiny", "m" * 9_999]
)
def test_a_model_that_is_not_there_is_404(client: httpx.Client, name: str) -> None:
    error = check_refusal(client.post(GENERATIONS, json={"model": name}), {400, 404}, "model")
    assert name not in error["message"] or len(name) < 20


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_that_leads_elsewhere_is_404(client: httpx.Client, path: str) -> None:
    check_refusal(client.get(path), {400, 404, 405})


@pytest.mark.parametrize("sent", WIRE.values(), ids=WIRE)
def test_bytes_that_are_no_http_end_only_their_connection(
    client: httpx.Client, gateway: Program, sent: bytes
) -> None:
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        except OSError:  # it has closed the connection already
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 4") or b"/healthz" in sent
    assert b"litho_" not in answer  # no second answer, that of /metrics
    check_fine(client)


def test_what_is_asked_in_pieces_of_one_byte_is_answered(client: httpx.Client) -> None:
    body = b'{"model": "tiny", "label": 3, "seed": 7}'
    pieces = (bytes([byte]) for byte in body)
    answer = client.post(GENERATIONS, content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text


def test_a_method_that_a_path_has_not_is_405(client: httpx.Client) -> None:
    for method, path in (("GET", GENERATIONS), ("DELETE", "/v1/models/tiny"), ("PUT", "/healthz")):
        answer = client.request(method, path)
        check_refusal(answer, {405})
        assert answer.headers["allow"]
