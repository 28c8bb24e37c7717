"""Addresses of a server on this machine: hosts that may be bound, free ports, and who answers at one."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import json
import socket
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import Any

from ...errors import UsageError
from .processes import describe, listener

__all__ = ["TAKEN", "bracketed", "check_host", "choose_ports", "identity", "is_ready"]

TAKEN = "in use"
"""What the messages about a port say that another process has, Triton's and ours."""


def check_host(host: str, allow_remote: bool) -> bool:
    """Refuse a host that is no IP address, or that other machines can reach.

    Returns:
        Whether other machines can reach it.

    Raises:
        UsageError: it is refused.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UsageError(f"host {host!r} is not an IP address; give one such as 127.0.0.1") from None
    if not loopback and not allow_remote:
        raise UsageError(
            f"other machines can reach host {host}, and this server lacks later security fixes;"
            " keep 127.0.0.1, use a current container, or insist with --allow-remote"
        )
    return not loopback


def choose_ports(host: str, given: dict[str, int | None]) -> dict[str, int]:
    """The given ports, and free ones for the others; all are bound at once, so no two are equal."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        chosen: dict[str, int] = {}
        for kind, port in given.items():
            held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((host, port or 0))
            except (OSError, OverflowError) as error:
                raise UsageError(
                    f"port {port} for {kind} is not available on {host}"
                    f" ({_why_not_bound(error, port)});"
                    f" give another --{kind}-port, or omit it for a free one"
                ) from None
            chosen[kind] = held.getsockname()[1]
        return chosen


def identity(http_url: str) -> str | None:
    """The name that whatever answers at this address gives; "" if it is no Triton server, None if nothing answers."""
    try:
        with _open(f"{http_url}/v2") as answer:
            return str(json.load(answer)["name"])
    except (urllib.error.HTTPError, ValueError, KeyError, TypeError):
        return ""
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return None


def is_ready(http_url: str) -> bool:
    """Whether the server at this address says that it and all of its models are ready."""
    try:
        with _open(f"{http_url}/v2/health/ready") as answer:
            return answer.status == 200
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _open(url: str) -> Any:
    # Ignore proxies of the environment: the server is on this machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5)


def bracketed(host: str) -> str:
    """An IP address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _why_not_bound(error: OSError | OverflowError, port: int | None) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE and port is not None:
        return f"{TAKEN} by {describe(listener(port))}"
    return str(getattr(error, "strerror", None) or error)
