"""Keys that are revoked, over their limit, broken or gone while a stream runs; thousands of them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from litho.serving.gateway.protection.keys import KeyFile, KeyLimits

from ..conftest import running_gateway

if TYPE_CHECKING:
    from litho.serving.gateway.program import Program
    from litho.serving.server.embedded import EmbeddedServer

GENERATIONS = "/v1/images/generations"
STREAM = {"model": "sketch", "seed": 1, "steps": 300, "stream": True, "partial_images": 3}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    made = KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")
    made.create("other")
    return made


@pytest.fixture(scope="module")
def guarded(streaming_server: EmbeddedServer, file: KeyFile) -> Iterator[Program]:
    with running_gateway(streaming_server.grpc_url, keys=file.path) as program:
        yield program


@pytest.fixture
def client(guarded: Program, file: KeyFile) -> Iterator[httpx.Client]:
    """Its key is number 1 in the file at the moment; it allows one request at a time."""
    key, _ = file.create("streams", KeyLimits(concurrent=1))
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=guarded.url, headers=headers, timeout=60) as opened:
        yield opened


def streamed(client: httpx.Client, meanwhile: Callable[[], None], steps: int = 300) -> list[str]:
    """Types of the events of a stream; something happens after the first."""
    found: list[str] = []
    with client.stream("POST", GENERATIONS, json={**STREAM, "steps": steps}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("event: "):
                found.append(line.removeprefix("event: "))
                if len(found) == 1:
                    meanwhile()
    return found


def revoke(file: KeyFile) -> None:
    file.revoke(file.read()[-1].id)


def ended(events: list[str]) -> bool:
    return events[0] == "image_generation.partial_image" and events[-1] == "image_generation.completed"


def test_a_stream_that_was_begun_ends_although_its_key_is_revoked(
    client: httpx.Client, file: KeyFile
) -> None:
    assert ended(streamed(client, lambda: revoke(file)))
    assert client.get("/v1/models").status_code == 401


def test_beside_a_stream_a_key_for_one_is_over_its_limit_and_after_it_is_not(client: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    ask = {"model": "sketch", "seed": 1}
    # So many take seconds: it still runs when the other is asked, however busy the machine is.
    assert ended(streamed(client, lambda: answers.append(client.post(GENERATIONS, json=ask)), steps=5000))
    assert (answers[0].status_code, answers[0].headers["retry-after"]) == (429, "1")
    # Over one connection, at once: whoever has read a stream to its end is not told that it still runs.
    for _ in range(30):
        assert client.post(GENERATIONS, json={**STREAM, "steps": 4}).status_code == 200
    assert client.post(GENERATIONS, json=ask).status_code == 200


def broken(path: Path) -> None:
    path.write_text("{")


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("damage", [broken, gone, folder, pipe, loop])
def test_a_stream_outlives_the_file_of_keys_and_nobody_else_is_let_in(
    client: httpx.Client, file: KeyFile, damage: Callable[[Path], None]
) -> None:
    content = file.path.read_bytes()
    answers: list[httpx.Response] = []

    def meanwhile() -> None:
        damage(file.path)
        answers.extend(
            [client.get("/v1/models"), httpx.get(f"{client.base_url}/v1/models"), client.get("/healthz")]
        )

    try:
        assert ended(streamed(client, meanwhile))
    finally:
        if file.path.is_dir():
            file.path.rmdir()
        else:
            file.path.unlink(missing_ok=True)
        file.path.write_bytes(content)
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["error"]["code"] == "keys_unavailable"
    assert str(file.path) not in answers[0].text
    assert client.get("/v1/models").status_code == 200


def test_thousands_of_keys_are_read_and_found(client: httpx.Client, file: KeyFile) -> None:
    content = file.path.read_bytes()
    document = json.loads(content)
    document["keys"][:0] = [
        {"id": f"key_{secrets.token_hex(6)}", "sha256": secrets.token_hex(32), "created": ""}
        for _ in range(5000)
    ]
    try:
        beside = file.path.with_suffix(".new")
        beside.write_text(json.dumps(document))
        beside.replace(file.path)
        assert client.get("/v1/models").status_code == 200
        assert httpx.get(f"{client.base_url}/v1/models").status_code == 401
    finally:
        file.path.write_bytes(content)
