"""TLS, keys and headers: what a gateway in front of a real server sees, and what never leaves this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from litho.errors import EndpointError, UsageError
from litho.runners import Endpoint, open_runner
from litho.runners._channel import Access, is_loopback, open_channel
from litho.serving.clients.async_client import AsyncClient
from litho.serving.clients.client import Client
from litho.serving.server.embedded import EmbeddedServer

from ..papers import Papers, make_papers

KEY = "a-key-of-this-test"


class Gateway(grpc.GenericRpcHandler):
    """Passes calls on to a server, if they show the key."""

    def __init__(self, behind: str) -> None:
        self._channel: Any = grpc.insecure_channel(behind, [("grpc.enable_http_proxy", 0)])
        self.headers: list[dict[str, str]] = []

    def service(self, details: Any) -> Any:
        given = {one.key: one.value for one in details.invocation_metadata}

        def pass_on(request: bytes, context: Any) -> Any:
            self.headers.append(given)
            if given.get("authorization") != f"Bearer {KEY}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key, no picture")
            return self._channel.unary_unary(details.method)(request, timeout=120)

        return grpc.unary_unary_rpc_method_handler(pass_on)

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers") / "own")


@contextmanager
def running(gateway: Gateway, papers: Papers, *, client_certificate: bool) -> Iterator[str]:
    listening = grpc.server(ThreadPoolExecutor(4), handlers=[gateway])
    credentials = grpc.ssl_server_credentials(
        [(papers.key.read_bytes(), papers.certificate.read_bytes())],
        papers.ca.read_bytes() if client_certificate else None,
        client_certificate,
    )
    port = listening.add_secure_port("127.0.0.1:0", credentials)
    listening.start()
    try:
        yield f"grpcs://127.0.0.1:{port}/tiny"
    finally:
        listening.stop(0).wait()
        gateway.close()


def test_clients_speak_tls_show_their_certificate_and_their_key(
    server: EmbeddedServer, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(server.grpc_url.removeprefix("grpc://"))
    access = Access(papers.ca, papers.certificate, papers.key, api_key=KEY, headers={"x-team": "prints"})

    async def ask(url: str) -> Any:
        async with AsyncClient(url, access=access) as client:
            return await client.generate(seed=7, label=3)

    with running(gateway, papers, client_certificate=True) as url:
        with Client(url, access=access) as client:
            pictures = client.generate(seed=7, label=3)
        assert (asyncio.run(ask(url)) == pictures).all()
        assert {(one["authorization"], one["x-team"]) for one in gateway.headers} == {
            (f"Bearer {KEY}", "prints")
        }
        # What the command line and every `open_runner` use.
        for variable, value in (
            ("LITHO_TLS_CA", papers.ca),
            ("LITHO_TLS_CERTIFICATE", papers.certificate),
            ("LITHO_TLS_KEY", papers.key),
            ("LITHO_API_KEY", KEY),
        ):
            monkeypatch.setenv(variable, str(value))
        with open_runner(url) as runner:
            assert (runner.generate(seed=7, label=3) == pictures).all()
        with pytest.raises(EndpointError, match="no key, no picture"):
            Client(url, access=Access(papers.ca, papers.certificate, papers.key, api_key="another"))
        with pytest.raises(EndpointError):
            Client(url, access=Access(papers.ca, api_key=KEY))
    with Client(f"{server.grpc_url}/tiny", access=access) as client:
        assert (client.generate(seed=7, label=3) == pictures).all()


def test_a_server_that_another_authority_signed_is_not_talked_to(papers: Papers, tmp_path: Path) -> None:
    gateway = Gateway("127.0.0.1:1")
    other = make_papers(tmp_path / "other")
    with running(gateway, papers, client_certificate=False) as url:
        with pytest.raises(EndpointError, match="do not agree on TLS") as refused:
            Client(url, access=Access(other.ca, api_key=KEY), timeout_seconds=120)
        assert "\n" not in str(refused.value)
    assert gateway.headers == []


def test_a_key_never_travels_in_the_clear_to_another_machine() -> None:
    access = Access(api_key=KEY)
    with pytest.raises(UsageError, match=r"for all to read; use grpcs://gpu\.example\.org:8001"):
        open_channel(Endpoint("gpu.example.org:8001", "tiny"), access)
    open_channel(Endpoint("127.0.0.1:8001", "tiny"), access).close()
    assert KEY not in repr(access)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"certificate": Path("a.pem")}, "belong together"),
        ({"private_key": Path("a.pem")}, "belong together"),
        ({"headers": {"X-Team": "prints"}}, "header 'X-Team' cannot travel"),
        ({"api_key": "two\nlines"}, "header 'authorization' cannot travel"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Access(**arguments)


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"cannot read nowhere.pem: No such file"):
        open_channel(Endpoint("127.0.0.1:1", "tiny", secure=True), Access(Path("nowhere.pem")))


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:8001", True),
        ("127.1.2.3:1", True),
        ("localhost:8001", True),
        ("[::1]:8001", True),
        ("10.0.0.1:8001", False),
        ("localhost.example.org:8001", False),
        ("127.0.0.1.example.org:8001", False),
    ],
)
def test_loopback_is_known_by_its_address(address: str, local: bool) -> None:
    assert is_loopback(address) is local


@contextmanager
def late(address: str, seconds: float) -> Iterator[int]:
    """A port that passes connections on to an address, each after a pause."""

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(2**16):
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accepted(client: socket.socket) -> None:
        over.wait(seconds)
        host, _, port = address.rpartition(":")
        with client, socket.create_connection((host, int(port))) as behind:
            back = threading.Thread(target=pass_on, args=(behind, client))
            back.start()
            pass_on(client, behind)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=accepted, args=(listening.accept()[0],)))
                threads[-1].start()

    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def test_a_server_whose_tls_takes_seconds_is_reached(server: EmbeddedServer, papers: Papers) -> None:
    """An attempt that is given up too early is given up each time."""
    gateway = Gateway(server.grpc_url.removeprefix("grpc://"))
    access = Access(papers.ca, api_key=KEY)
    with (
        running(gateway, papers, client_certificate=False) as url,
        late(Endpoint.parse(url).address, 3.0) as port,
        Client(f"grpcs://127.0.0.1:{port}/tiny", access=access, timeout_seconds=120) as client,
    ):
        assert client.generate(seed=7, label=3).shape[0] == 1
