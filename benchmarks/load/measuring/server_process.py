"""The process of a server on this machine, by the port that it listens on."""

from __future__ import annotations

from urllib.parse import urlsplit

from ....extras import require
from ...shared.machine import LOOPBACK

__all__ = ["server_process"]


def server_process(endpoint: str) -> int | None:
    """Id of the process on this machine that listens on an endpoint's port; None if none is visible."""
    address = urlsplit(endpoint)
    if address.port is None or address.hostname not in LOOPBACK:
        return None
    psutil = require("psutil", "bench")
    for connection in psutil.net_connections(kind="tcp"):
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr.port == address.port
            and connection.pid
        ):
            return connection.pid
    return None
