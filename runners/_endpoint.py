"""The one address form of a served model: grpc://HOST:PORT/MODEL, or grpcs:// with TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from ..errors import UsageError

__all__ = ["Endpoint"]

_FORM = re.compile(r"(grpcs?)://([^/\s]+:\d+)/([^/\s]+)(?:/(\d+))?/?")


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served.

    Args:
        address: HOST:PORT of the server's gRPC port.
        model: name of the model.
        version: of the model; empty for the one that the server serves.
        secure: whether to connect with TLS, as grpcs:// says.
    """

    address: str
    model: str
    version: str = ""
    secure: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read grpc://HOST:PORT/MODEL, or grpc://HOST:PORT/MODEL/VERSION; grpcs:// asks for TLS.

        Raises:
            UsageError: the text has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"invalid endpoint {text!r}; expected grpc://HOST:PORT/MODEL")
        scheme, address, model, version = match.groups(default="")
        return cls(address, model, version, scheme == "grpcs")

    def __str__(self) -> str:
        return "/".join(filter(None, (f"grpc{'s' * self.secure}://{self.address}", self.model, self.version)))
