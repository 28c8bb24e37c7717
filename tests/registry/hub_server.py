"""A hub in this process, for the HTTP of the real client `huggingface_hub`: its endpoints and errors, in memory.

Endpoints, headers and error codes are those that huggingface_hub 2.4 asks for and understands. Large files go to a
second address, as they do on the hub, which must never see a token.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".onnx", ".safetensors", ".html", ".png")
"""Files that the hub has in its large file storage."""


@dataclass
class Repository:
    """One model repository: commit -> path -> content, and branch -> commit."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        parent = self.branches.get(branch, "")
        listing = json.dumps({path: hashlib.sha1(data).hexdigest() for path, data in sorted(files.items())})
        name = hashlib.sha1(f"{parent}{listing}".encode()).hexdigest()
        self.commits[name] = files
        self.branches[branch] = name
        return name


class HubServer:
    """The hub.

    Attributes:
        url: of the hub.
        repositories: by their names.
        storage: large files by their SHA-256.
        refuse: called with method and path; a status and a message to answer with, or None.
        change: called with path and content of every large file that is read; gives what is sent.
        most_bytes: of a large file that one answer sends before the connection ends; None for all.
        sent: bytes of large files that were sent to clients.
        ranges: whether the storage knows them.
    """

    writer, reader = "hf_writer", "hf_reader"

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.storage: dict[str, bytes] = {}
        self.refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        self.change: Callable[[str, bytes], bytes] = lambda path, content: content
        self.most_bytes: int | None = None
        self.sent = 0
        self.ranges = True
        self.leaked: list[str] = []
        self.uploads: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        port = self._server.server_address[1]
        self.url, self.store_url = f"http://localhost:{port}", f"http://127.0.0.1:{port}"

    def __enter__(self) -> "HubServer":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith("/store/"):
            if self.headers.get("Authorization"):
                self.hub.leaked.append(path)
            return self._store(method, path.removeprefix("/store/"))
        if (refused := self.hub.refuse(method, path)) is not None:
            return self._json({"error": refused[1]}, refused[0], **{"X-Error-Message": refused[1]})
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", self.hub.writer, self.hub.reader):
            message = "Invalid credentials in Authorization header"
            return self._json({"error": message}, 401, **{"X-Error-Message": message})
        for pattern, answer in _ROUTES:
            if (match := re.fullmatch(pattern, f"{method} {path}")) is not None:
                writes = method == "POST" and "validate" not in path
                if writes and token != self.hub.writer:
                    status = 403 if token else 401
                    message = "You don't have the rights to write to this repository"
                    return self._json({"error": message}, status, **{"X-Error-Message": message})
                return answer(self, token, *match.groups())
        return self._json({"error": f"no route {method} {path}"}, 404)

    def _json(self, document: Any, status: int = 200, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _found(self, token: str, name: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not token):
            status = 404 if token else 401
            self._json({"error": "Repository not found"}, status, **{"X-Error-Code": "RepoNotFound"})
            return None
        return repository

    def _revision(self, repository: Repository, revision: str) -> str | None:
        commit = repository.branches.get(revision, revision)
        if commit in repository.commits:
            return commit
        self._json({"error": "Invalid rev id"}, 404, **{"X-Error-Code": "RevisionNotFound"})
        return None

    def create(self, token: str) -> None:
        asked = json.loads(self._body)
        name = f"{asked['organization']}/{asked['name']}"
        there = name in self.hub.repositories
        if not there:
            repository = Repository(asked.get("visibility") == "private" or bool(asked.get("private")))
            repository.commit("main", {".gitattributes": b"*.onnx filter=lfs\n"})
            self.hub.repositories[name] = repository
        self._json({"url": f"{self.hub.url}/{name}", "name": name}, 409 if there else 200)

    def validate(self, token: str) -> None:
        import yaml

        content = json.loads(self._body)["content"]
        metadata = yaml.safe_load(content.split("---\n")[1])
        errors = [] if isinstance(metadata, dict) and metadata.get("tags") else [{"message": "no metadata"}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def branch(self, token: str, name: str, branch: str) -> None:
        if (repository := self._found(token, name)) is None:
            return
        there = branch in repository.branches
        repository.branches.setdefault(branch, repository.branches["main"])
        self._json({}, 409 if there else 200)

    def info(self, token: str, name: str, revision: str = "main") -> None:
        if (repository := self._found(token, name)) is None:
            return
        if (commit := self._revision(repository, revision)) is None:
            return
        siblings = []
        for path, content in repository.commits[commit].items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git_blob(content)}
            if path.endswith(LARGE):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        self._json(
            {"id": name, "modelId": name, "sha": commit, "siblings": siblings, "private": repository.private}
        )

    def tree(self, token: str, name: str, revision: str) -> None:
        if (repository := self._found(token, name)) is None:
            return
        if (commit := self._revision(repository, revision)) is None:
            return
        entries = []
        for path, content in repository.commits[commit].items():
            entry: dict[str, Any] = {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": git_blob(content),
            }
            if path.endswith(LARGE):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
            entries.append(entry)
        self._json(entries)

    def preupload(self, token: str, name: str, revision: str) -> None:
        if (repository := self._found(token, name)) is None:
            return
        files = repository.commits[repository.branches[revision]]
        ignored = files.get(".gitignore", b"").decode().split()
        answers = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": one["path"] in ignored,
                "oid": None,
            }
            for one in json.loads(self._body)["files"]
        ]
        self._json({"files": answers})

    def batch(self, token: str, name: str) -> None:
        objects = []
        for one in json.loads(self._body)["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.storage:
                entry["actions"] = {"upload": {"href": f"{self.hub.store_url}/store/{one['oid']}"}}
            objects.append(entry)
        self._json({"transfer": "basic", "objects": objects})

    def commit(self, token: str, name: str, revision: str) -> None:
        if (repository := self._found(token, name)) is None:
            return None
        files = dict(repository.commits[repository.branches[revision]])
        for line in self._body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                if value.get("parentCommit") not in (None, repository.branches[revision]):
                    message = "A commit has happened since. Please refresh and try again."
                    return self._json({"error": message}, 412, **{"X-Error-Message": message})
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.storage[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        made = repository.commit(revision, files)
        return self._json(
            {"commitOid": made, "commitUrl": f"{self.hub.url}/{name}/commit/{made}", "hookOutput": ""}
        )

    def resolve(self, token: str, name: str, revision: str, path: str) -> None:
        if (repository := self._found(token, name)) is None:
            return None
        if (commit := self._revision(repository, revision)) is None:
            return None
        content = repository.commits[commit].get(path)
        if content is None:
            return self._json({"error": "Entry not found"}, 404, **{"X-Error-Code": "EntryNotFound"})
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            self.hub.storage.setdefault(digest, content)
            self.send_response(302)
            self.send_header("Location", f"{self.hub.store_url}/store/{digest}?{path}")
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return self._content(content, {"X-Repo-Commit": commit, "ETag": f'"{git_blob(content)}"'})

    def _store(self, method: str, digest: str) -> None:
        if method == "PUT":
            if hashlib.sha256(self._body).hexdigest() != digest:
                return self._json({"error": "checksum"}, 400)
            self.hub.storage[digest] = self._body
            self.hub.uploads.append(digest)
            return self._json({})
        content = self.hub.change(urlsplit(self.path).query, self.hub.storage[digest])
        return self._content(content, {}, limited=True)

    def _content(self, content: bytes, headers: dict[str, str], limited: bool = False) -> None:
        start = 0
        if self.hub.ranges and (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")):
            start = int(asked[1])
        self.send_response(206 if start else 200)
        rest = content[start:]
        for name, value in {**headers, "Content-Length": str(len(rest))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        part = rest[: self.hub.most_bytes] if limited else rest
        self.wfile.write(part)
        self.hub.sent += len(part) * limited
        if len(part) < len(rest):
            self.close_connection = True


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_NAME = r"([^/]+/[^/]+)"
_ROUTES: list[tuple[str, Any]] = [
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.validate),
    (rf"POST /api/models/{_NAME}/branch/(.+)", _Handler.branch),
    (rf"POST /api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    (rf"POST /api/models/{_NAME}/commit/(.+)", _Handler.commit),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (rf"GET /api/models/{_NAME}/revision/(.+)", _Handler.info),
    (rf"GET /api/models/{_NAME}/tree/(.+)", _Handler.tree),
    (rf"GET /api/models/{_NAME}", _Handler.info),
    (rf"(?:GET|HEAD) /{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
]
