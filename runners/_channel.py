"""Connections to a server: plain or TLS, with a client's certificate, API key and further headers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio

from ..errors import UsageError
from ._endpoint import Endpoint

__all__ = ["Access", "is_loopback", "open_channel"]

_VARIABLES = {
    "ca": "LITHO_TLS_CA",
    "certificate": "LITHO_TLS_CERTIFICATE",
    "private_key": "LITHO_TLS_KEY",
    "api_key": "LITHO_API_KEY",
}
_TRITON_ERRORS = ("triton_grpc_error", "true")
"""Header that makes Triton end a stream with the status of an error, as it ends other calls."""

_OPTIONS = [
    # Batches of pictures may exceed gRPC's default limit of 4 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # By default a lost server is looked for after 1 s, then ever more seldom, up to every two minutes. A request that
    # is tried five times within half a second must find one that is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # The longest time of one attempt: a server whose TLS takes longer is never reached. Where packets are lost, TCP
    # repeats its first one after 1 s, 3 s and 7 s, so longer attempts would find a network that is back later.
    ("grpc.min_reconnect_backoff_ms", 5000),
]


@dataclass(frozen=True)
class Access:
    """How to reach a server and what to show it.

    Args:
        ca: PEM file of the certificates that sign the server's, for grpcs://; by default those that gRPC trusts.
        certificate, private_key: PEM files of the client's own certificate and its key, where the server asks for one.
        api_key: travels in the header "authorization: Bearer KEY".
        headers: further headers of every call, in lower case.

    Raises:
        UsageError: a certificate without its key, or the other way round; a header that gRPC does not take.
    """

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError(
                "a client's certificate and its private key belong together; give both or neither"
            )
        for name, value in self.metadata:
            if name != name.lower() or not (name + value).isascii() or not (name + value).isprintable():
                raise UsageError(
                    f"header {name!r} cannot travel; its name is lower case, name and value are printable ASCII"
                )

    @classmethod
    def from_environment(cls) -> Self:
        """What LITHO_TLS_CA, LITHO_TLS_CERTIFICATE, LITHO_TLS_KEY and LITHO_API_KEY say; all of them are optional."""
        given = {name: os.environ.get(variable) for name, variable in _VARIABLES.items()}
        ca, certificate, private_key = (
            Path(text) if (text := given[name]) else None for name in ("ca", "certificate", "private_key")
        )
        return cls(ca, certificate, private_key, given["api_key"] or None)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of every call."""
        key = (("authorization", f"Bearer {self.api_key}"),) if self.api_key else ()
        return (*key, *self.headers.items(), _TRITON_ERRORS)

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC needs for TLS.

        Raises:
            UsageError: a file cannot be read.
        """
        return grpc.ssl_channel_credentials(
            *(_content(path) for path in (self.ca, self.private_key, self.certificate))
        )


def open_channel(endpoint: Endpoint, access: Access, *, asynchronous: bool = False) -> Any:
    """A channel of `grpc`, or of `grpc.aio`, to the server of an endpoint; it connects with its first call.

    Raises:
        UsageError: an API key would travel in the clear to another machine, or a file cannot be read.
    """
    local = is_loopback(endpoint.address)
    if access.api_key and not (endpoint.secure or local):
        raise UsageError(
            f"an API key would travel to {endpoint.address} for all to read; use grpcs://{endpoint.address}"
        )
    kind = grpc.aio if asynchronous else grpc
    # A proxy cannot reach this machine's loopback.
    options = [*_OPTIONS, *([("grpc.enable_http_proxy", 0)] if local else [])]
    if endpoint.secure:
        return kind.secure_channel(endpoint.address, access.credentials(), options)
    return kind.insecure_channel(endpoint.address, options)


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT is on this machine by its name."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _content(path: Path | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; give a PEM file") from None
