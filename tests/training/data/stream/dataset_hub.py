"""A hub with one data set, for the file system of the real client: takes a folder, and a program to run beside it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "a" * 40


def handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/api/datasets/owner/name/tree/"):
                self._send(200, json.dumps([_listed(file) for file in sorted(folder.iterdir())]).encode())
            elif path == "/api/datasets/owner/name":
                self._send(200, json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": []}).encode())
            elif path.startswith("/datasets/owner/name/resolve/"):
                content = (folder / path.rpartition("/")[2]).read_bytes()
                first, last = 0, len(content) - 1
                if asked := self.headers.get("Range"):
                    begin, end = asked.removeprefix("bytes=").split("-")
                    first, last = int(begin), min(int(end or last), last)
                span = f"bytes {first}-{last}/{len(content)}"
                self._send(206 if asked else 200, content[first : last + 1], span)
            else:
                self._send(404, b"{}")

        def _send(self, status: int, content: bytes, span: str = "") -> None:
            self.send_response(status)
            if span:
                self.send_header("Content-Range", span)
            self.send_header("ETag", '"tag"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


def _listed(file: Path) -> dict[str, object]:
    content = file.read_bytes()
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {"type": "file", "oid": "b" * 40, "size": len(content), "path": file.name, "lfs": lfs}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Path(sys.argv[1])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The client reads its address when it is imported.
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_address[1]}"
    exec(sys.argv[2])
    server.shutdown()
