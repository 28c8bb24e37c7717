"""Clients that open connections of TLS and do not finish their handshake, against a gateway that listens."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from litho.serving.gateway.program import Program
from litho.serving.gateway.settings import GatewaySettings

from .test_binding import write_certificate

MOST_HANDSHAKES = 64
"""Where there are fewer connections than that."""

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def running(certificate: tuple[Path, Path], **settings: float) -> Iterator[Program]:
    tls = {"tls_certificate": certificate[0], "tls_key": certificate[1]}
    program = Program(
        GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", "port": 0, **tls, **settings})
    )
    thread = threading.Thread(target=program.run)
    thread.start()
    try:
        assert program.wait(120)
        yield program
    finally:
        program.stop()
        thread.join(120)
    assert not thread.is_alive()


def connected(program: Program) -> socket.socket:
    """A connection that says nothing."""
    return socket.create_connection(("127.0.0.1", int(program.url.rpartition(":")[2])), timeout=60)


def asked(client: socket.socket, certificate: Path) -> tuple[ssl.SSLSocket, bytes]:
    """The connection after a handshake, and the first line of its answer."""
    secure = ssl.create_default_context(cafile=certificate).wrap_socket(client, server_hostname="127.0.0.1")
    secure.sendall(HEALTH)
    return secure, secure.recv(4096).partition(b"\r\n")[0]


def test_handshakes_that_are_not_finished_keep_nobody_out(certificate: tuple[Path, Path]) -> None:
    with ExitStack() as opened, running(certificate, most_connections=3) as program:
        held = [opened.enter_context(connected(program)) for _ in range(MOST_HANDSHAKES + 5)]
        held[-1].sendall(b"\x16\x03")  # the start of a handshake
        for client in held[:5]:
            assert client.recv(1) == b""  # those that waited longest had to go
        for _ in range(3):
            client, line = asked(connected(program), certificate[0])
            opened.enter_context(client)
            assert line == b"HTTP/1.1 200 OK"
        client, line = asked(connected(program), certificate[0])
        opened.enter_context(client)
        assert line == b"HTTP/1.1 503 Service Unavailable"
        program.stop()
        for client in held[5:]:
            assert client.recv(1) == b""


def test_a_handshake_has_as_long_as_the_head_of_a_request(certificate: tuple[Path, Path]) -> None:
    with running(certificate, header_seconds=0.2) as program, connected(program) as client:
        assert client.recv(1) == b""


def test_what_is_no_tls_is_dropped_and_the_next_is_answered(certificate: tuple[Path, Path]) -> None:
    with running(certificate) as program:
        for said in (HEALTH, b"\0" * 100, b"\x16\x03\x01\x00\x10" + b"\xff" * 16):
            with connected(program) as client:
                client.sendall(said)
                while client.recv(1024):
                    pass  # an alert of TLS
        client, line = asked(connected(program), certificate[0])
        with client:
            assert line == b"HTTP/1.1 200 OK"
