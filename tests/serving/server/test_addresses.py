import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from litho.errors import UsageError
from litho.serving.server.addresses import bracketed, check_host, choose_ports, identity, is_ready


def test_only_loopback_is_bound_unless_insisted() -> None:
    check_host("127.0.0.1", allow_remote=False)
    check_host("0.0.0.0", allow_remote=True)
    with pytest.raises(UsageError, match="other machines"):
        check_host("0.0.0.0", allow_remote=False)
    with pytest.raises(UsageError, match="not an IP address"):
        check_host("localhost", allow_remote=False)
    assert bracketed("::1") == "[::1]"
    assert bracketed("127.0.0.1") == "127.0.0.1"


def test_free_ports_differ_and_a_taken_one_is_told_with_its_owner() -> None:
    chosen = choose_ports("127.0.0.1", {"http": None, "grpc": None})
    assert len(set(chosen.values())) == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"port {port} for http .*in use by process {os.getpid()} \(.*--http-port"
        ):
            choose_ports("127.0.0.1", {"http": port})
    with pytest.raises(UsageError, match="port 70000 for grpc"):
        choose_ports("127.0.0.1", {"grpc": 70_000})


class Foreign(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_whoever_is_not_triton_has_no_identity() -> None:
    with HTTPServer(("127.0.0.1", 0), Foreign) as foreign:
        thread = threading.Thread(target=foreign.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert identity(f"http://127.0.0.1:{foreign.server_port}") == ""
        finally:
            foreign.shutdown()
            thread.join()
    (port,) = choose_ports("127.0.0.1", {"http": None}).values()
    assert identity(f"http://127.0.0.1:{port}") is None
    assert not is_ready(f"http://127.0.0.1:{port}")
