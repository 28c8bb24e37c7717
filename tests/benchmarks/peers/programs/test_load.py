"""The load against a server of the standard library, which answers with what it was asked for."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from litho.benchmarks.peers.programs import load


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wrong = body == b"3"
        self.send_response(500 if wrong else 200)
        content = b"head" + body * 4
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def loaded(folder: Path, port: int, bodies: list[bytes]) -> subprocess.CompletedProcess[str]:
    messages = [b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    (folder / "messages").write_bytes(b"".join(messages))
    plan = {
        "host": "127.0.0.1",
        "port": port,
        "connections": 3,
        "warm_seconds": 0.05,
        "seconds": 0.3,
        "lengths": [len(message) for message in messages],
        "messages": str(folder / "messages"),
        "size": 4,
        "keep": 16,
        "output": str(folder / "output"),
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-I", load.__file__, str(folder / "plan.json")]
    return subprocess.run(command, capture_output=True, text=True)


def test_answers_are_timed_and_kept(tmp_path: Path, port: int) -> None:
    done = loaded(tmp_path, port, [b"0", b"1", b"2"])
    facts = json.loads(done.stdout)
    assert facts["failed"] == 0
    assert len(facts["waiting"]) == 3
    assert all(began < ended for began, ended in zip(facts["began"], facts["ended"], strict=True))
    kept = (tmp_path / "output").read_bytes()
    assert [kept[place : place + 4] for place in range(0, len(kept), 4)] == [
        str(number).encode() * 4 for number in facts["numbers"]
    ]
    assert len(facts["numbers"]) == min(16, len(facts["ended"]))


def test_an_error_is_counted_and_quoted(tmp_path: Path, port: int) -> None:
    facts = json.loads(loaded(tmp_path, port, [b"1", b"3"]).stdout)
    assert facts["failed"] > 0
    assert "500" in facts["said"]
    assert set(facts["numbers"]) == {0}


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    from litho.benchmarks.peers.served.base import free_port

    done = loaded(tmp_path, free_port(), [b"1"])
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
