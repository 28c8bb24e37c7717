"""A dataset of the hub, through the hub's own client, against a server that answers as the hub does."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from litho.errors import LithoError
from litho.training.data.sources import load
for name in sys.argv[1:]:
    try:
        train, test = load(name, memory_bytes=1 << 20).split()
        print(name, len(train), len(test), train.licence)
    except LithoError as error:
        print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """The four answers of the hub that its client needs to fetch a dataset.

    Args:
        files: repository@revision -> path -> content.
    """

    def __init__(self, files: dict[str, dict[str, bytes]], *args: Any) -> None:
        self.files = files
        super().__init__(*args)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.replace("%2F", "/")
        for key, files in self.files.items():
            repository, revision = key.split("@")
            commit = hashlib.sha1(key.encode()).hexdigest()
            if path == f"/api/datasets/{repository}/revision/{revision}":
                return self._answer(json.dumps({"id": repository, "sha": commit, "siblings": []}).encode())
            if path == f"/api/datasets/{repository}/tree/{commit}":
                entries = [
                    {
                        "type": "file",
                        "path": name,
                        "size": len(content),
                        "oid": hashlib.sha1(content).hexdigest(),
                    }
                    for name, content in files.items()
                ]
                return self._answer(json.dumps(entries).encode())
            before = f"/datasets/{repository}/resolve/{commit}/"
            if path.startswith(before) and path.removeprefix(before) in files:
                return self._answer(files[path.removeprefix(before)], commit)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    do_HEAD = do_GET

    def _answer(self, content: bytes, commit: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(files: dict[str, dict[str, bytes]]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, files))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(endpoint: str, cache: Path, *names: str, **environment: str) -> list[str]:
    """What a process prints that loads data from the hub at `endpoint`."""
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def split(tmp_path: Path, paint: Callable[..., bytes]) -> Callable[[int], bytes]:
    """The content of a parquet file of so many pictures."""

    def content(count: int) -> bytes:
        file = tmp_path / "split.parquet"
        parquet.write_table(arrow.table({"image": [paint(index) for index in range(count)]}), file)
        return file.read_bytes()

    return content


def test_a_set_is_fetched_once_and_then_found_without_a_network(
    tmp_path: Path, split: Callable[[int], bytes]
) -> None:
    card = b"---\nlicense: cc0-1.0\n---\n"
    files = {
        "ylecun/mnist@main": {
            "README.md": card,
            "mnist/train-00000-of-00001.parquet": split(5),
            "mnist/test-00000-of-00001.parquet": split(2),
        },
        "ann/cats@main": {"README.md": card, "cats.zip": b"PK"},
        "ann/cats@refs/convert/parquet": {"default/train/0000.parquet": split(10)},
        "ann/two@main": {
            "a/train.parquet": split(3),
            "b/train.parquet": split(4),
            "b/test.parquet": split(1),
        },
        "ann/none@main": {"cats.zip": b"PK"},
        "ann/large@main": {"train.parquet": bytes(2 << 20)},
    }
    names = ("mnist", "ann/cats", "ann/two/b")
    expected = ["mnist 5 2 cc0-1.0", "ann/cats 8 2 unknown", "ann/two/b 4 1 unknown"]
    with serving(files) as endpoint:
        *first, two, none, large, missing = load(
            endpoint, tmp_path, *names, "ann/two", "ann/none", "ann/large", "bob/cats"
        )
    assert first == expected
    assert two.startswith("UsageError ann/two has several configurations; name one of them: a, b")
    assert "the hub has no usable ann/none: it has no parquet files" in none
    assert large.startswith("DataError ann/large has 2.00 MiB of parquet files")
    assert "DataError data 'bob/cats' is not a file or folder, here or in the folder of LITHO_DATA" in missing
    assert "the hub has no usable bob/cats: RepositoryNotFoundError: 404" in missing
    assert load(endpoint, tmp_path, *names) == expected  # the server is gone
    assert load(endpoint, tmp_path, *names, HF_HUB_OFFLINE="1") == expected
    (unreachable,) = load(endpoint, tmp_path, "eve/birds")
    assert unreachable.startswith("DataError data 'eve/birds' is not a file or folder")
    assert "the hub has no usable eve/birds: LocalEntryNotFoundError" in unreachable
