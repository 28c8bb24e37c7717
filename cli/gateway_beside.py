"""The gateway that `litho serve --gateway` runs beside its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .gateway_settings import settings_of

if TYPE_CHECKING:
    from ..serving.gateway.process import GatewayProcess
    from ..serving.server.events import Listener

__all__ = ["Beside"]


@dataclass(frozen=True)
class Beside:
    """A gateway that is wanted beside a server.

    Args:
        port: where it listens; None for what the file or the default says.
        file: of its settings; None for none.
        settings: that the file gives.
    """

    port: int | None
    file: Path | None
    settings: frozenset[str]

    @classmethod
    def wanted(cls, gateway: bool, port: int | None, file: Path | None, elsewhere: bool) -> Beside | None:
        """What the options of `litho serve` ask for; None for no gateway.

        Args:
            gateway: whether there shall be one.
            port, file: see above.
            elsewhere: whether the server runs in a container, or is open to other machines itself.

        Raises:
            UsageError: options that nothing would use, or settings that are not allowed.
        """
        if not gateway:
            for option, value in (("--gateway-port", port), ("--gateway-settings", file)):
                if value is not None:
                    raise UsageError(f"{option} was given without --gateway; give both, or none")
            return None
        if elsewhere:
            raise UsageError(
                "--gateway stands before a server on this machine's loopback: leave --allow-remote and the container"
                " out, or run 'litho gateway' by itself"
            )
        from ..extras import require
        from ..serving.gateway.settings_file import read_settings

        for module in ("fastapi", "uvicorn"):
            require(module, "gateway")
        from ..serving.gateway.protection.binding import check_binding

        check_binding(settings_of("grpc://127.0.0.1:1", file, {"port": port}))
        return cls(port, file, frozenset(() if file is None else read_settings(file)))

    def process(self, server: str, same: Mapping[str, Any], listener: Listener) -> GatewayProcess:
        """The gateway, not yet started.

        Args:
            server: grpc://HOST:PORT.
            same: settings that the server has too, for those that the gateway's file does not give.
            listener: called with events.
        """
        from ..serving.gateway.process import GatewayProcess

        options = [
            word
            for name, value in same.items()
            if name not in self.settings and value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        if self.port is not None:
            options += ["--port", str(self.port)]
        if self.file is not None:
            options += ["--settings", str(self.file)]
        return GatewayProcess(server, options, listener)
