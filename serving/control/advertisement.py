"""Which server serves a repository: a running `litho serve` says so in a file of the repository.

The file outlives a server that was killed. So nobody believes it before the server at that address has given the id
that the file names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import DeployError, EndpointError, UsageError
from ...files import read_text, write_file
from .server_control import ServerControl

__all__ = ["ADVERTISEMENT_NAME", "Advertisement", "advertised_server", "find_server"]

ADVERTISEMENT_NAME = ".litho-server.json"
_MOST_BYTES = 65_536


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Advertisement(BaseModel):
    """The server of a repository.

    Args:
        id: identity of the server, which it gives over its port (`ServerControl.identity`).
        pid: process id of `litho serve`.
        grpc: such as "grpc://127.0.0.1:8001".
        http: such as "http://127.0.0.1:8000".
        metrics: such as "http://127.0.0.1:8002/metrics".
        started: time of the start, ISO 8601 in UTC.
        key: that the server asks of who operates it; None if it asks for none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    pid: int
    grpc: str
    http: str
    metrics: str
    started: str = Field(default_factory=_now)
    key: str | None = Field(default=None, repr=False)

    def write(self, repository: Path) -> None:
        """Put the advertisement into a repository, in place of another one; only its owner may read it.

        Raises:
            OSError: it cannot be written.
        """
        text = f"{self.model_dump_json(indent=2, exclude_none=True)}\n"

        def write(path: Path) -> None:
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")

        write_file(repository / ADVERTISEMENT_NAME, write)

    def remove(self, repository: Path) -> None:
        """Take the advertisement out of a repository; one of another server stays."""
        try:
            present = type(self).read(repository)
        except DeployError:
            return
        if present is not None and present.id == self.id:
            (repository / ADVERTISEMENT_NAME).unlink(missing_ok=True)

    @classmethod
    def read(cls, repository: Path) -> Advertisement | None:
        """The advertisement in a repository; None if there is none.

        Raises:
            DeployError: the file is damaged.
        """
        path = repository / ADVERTISEMENT_NAME
        try:
            return cls.model_validate_json(read_text(path, _MOST_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError, ValueError):
            raise DeployError(
                f"{path} does not name a server; remove it, and give the server with --server"
            ) from None

    def connect(self) -> ServerControl | None:
        """A connection to the advertised server; None if it no longer runs."""
        try:
            server = ServerControl(self.grpc, self.key)
        except UsageError:
            return None
        try:
            if server.identity() == self.id:
                return server
        except EndpointError:
            pass
        server.close()
        return None


def advertised_server(repository: Path) -> ServerControl | None:
    """A connection to the server that serves a repository; None if none advertises itself or it no longer runs.

    Raises:
        DeployError: the advertisement is damaged.
    """
    advertisement = Advertisement.read(repository)
    return None if advertisement is None else advertisement.connect()


def find_server(repository: Path, url: str | None) -> ServerControl | None:
    """A connection to the server that serves a repository.

    Args:
        repository: the model repository.
        url: the server's gRPC address; by default the server that the repository advertises.

    Returns:
        The server; None if none was given and none advertises itself.

    Raises:
        UsageError: the address has another form than grpc://HOST:PORT.
        EndpointError: the given server does not answer.
        DeployError: the advertisement is damaged.
    """
    if url is None:
        return advertised_server(repository)
    server = ServerControl(url)
    try:
        server.identity()
    except EndpointError:
        server.close()
        raise
    return server
