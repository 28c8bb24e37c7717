"""The options of `litho gateway` that are settings of a gateway: one for each, under headings of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError, expected
from ..files import check_file
from .paths import require_folder
from .settings import option_of, takes_options

if TYPE_CHECKING:
    from ..serving.gateway.settings import GatewaySettings

__all__ = ["OPTIONS", "settings_of", "takes_gateway_settings"]

_WHO, _HOW_MUCH = "Who may use it", "How much it takes"
_PICTURES, _LOG = "What it makes", "What it writes down"


def _who(kind: Any, help: str, *names: str) -> Any:
    return option_of(kind, help, *names, panel=_WHO)


def _much(kind: Any, help: str, *names: str) -> Any:
    return option_of(kind, help, *names, panel=_HOW_MUCH)


def _pictures(kind: Any, help: str, *names: str) -> Any:
    return option_of(kind, help, *names, panel=_PICTURES)


def _log(kind: Any, help: str, *names: str) -> Any:
    return option_of(kind, help, *names, panel=_LOG)


OPTIONS: dict[str, Any] = {
    "host": _who(str, "Address to bind; by default 127.0.0.1, which only this machine reaches."),
    "port": _who(int, "Port to bind, 0 for a free one; by default 8080."),
    "public_url": _who(str, "Address of it behind a proxy, such as https://example.org/litho."),
    "keys": _who(Path, "File of API keys, made by 'litho key create'; every request for pictures needs one."),
    "tls_certificate": _who(Path, "PEM file with the certificate; HTTPS instead of HTTP."),
    "tls_key": _who(Path, "PEM file with the certificate's private key."),
    "insecure_remote": _who(
        bool, "Bind an address that other machines reach without keys or TLS.", "--insecure-remote"
    ),
    "allow_origins": _who(
        list[str],
        "Origin whose pages may use it, such as https://pictures.example.org; repeatable, * for all.",
        "--allow-origin",
    ),
    "requests_per_minute": _much(
        int, "Most requests per minute of one key, or without keys of one address; by default no limit."
    ),
    "pictures_per_minute": _much(
        int, "Most pictures per minute of one key, or without keys of one address; by default no limit."
    ),
    "concurrent": _much(int, "Requests of one key or address at a time; by default no limit."),
    "most_running": _much(int, "Requests of all at a time; by default 512."),
    "most_connections": _much(int, "Open connections; by default 4096."),
    "most_body_bytes": _much(int, "Largest body of a request; by default 80 MiB."),
    "most_bodies_bytes": _much(int, "Bytes of all bodies at a time; by default 1 GiB."),
    "body_seconds": _much(float, "Longest time for a body to arrive; by default 60 s."),
    "header_seconds": _much(float, "Longest time for a request's headers to arrive; by default 60 s."),
    "idle_seconds": _much(float, "How long a connection without a request stays open; by default 75 s."),
    "timeout_seconds": _much(float, "Longest time for one request; by default 60 s."),
    "answer_seconds": _much(
        float, "Longest silence of a model in flight, which is then asked again; by default no limit."
    ),
    "drain_seconds": _much(float, "Longest time to finish accepted requests at the end; by default 30 s."),
    "most_pictures": _pictures(int, "Most pictures of one request; by default 10."),
    "most_steps": _pictures(int, "Most steps of one picture; by default what the model allows."),
    "most_upload_bytes": _pictures(int, "Largest picture that is sent in, encoded; by default 32 MiB."),
    "most_upload_pixels": _pictures(int, "Largest picture that is decoded; by default 16,777,216 pixels."),
    "encoder_threads": _pictures(int, "Threads that encode pictures; by default one a core, at most 8."),
    "stored_bytes": _pictures(int, "Memory for pictures handed out by URL; by default 256 MiB."),
    "stored_seconds": _pictures(float, "How long such a picture stays; by default 3600 s."),
    "repository": _pictures(
        Path,
        "The server's model repository on this machine, for explanations; 'litho serve --gateway' gives it.",
    ),
    "refresh_seconds": _pictures(float, "Time between two looks at what the server serves; by default 2 s."),
    "receipt_key": _pictures(Path, "PEM file of the Ed25519 private key that signs receipts."),
    "c2pa_certificate": _pictures(Path, "PEM file of the certificate for C2PA content credentials."),
    "c2pa_key": _pictures(Path, "PEM file of that certificate's private key."),
    "audit_log": _log(Path, "File that every request is entered in; see 'litho audit verify'."),
    "audit_log_bytes": _log(int, "Size at which that file is set aside and continued; by default never."),
    "log_format": _log(Literal["text", "json"], "Form of the log on standard error; by default text."),
    "log_level": _log(
        Literal["info", "warning", "error"],
        "info logs every request, warning refused and failed ones, error failed ones; by default info.",
    ),
    "traces": _log(str, "OpenTelemetry collector, such as http://HOST:4318/v1/traces."),
    "traced_share": _log(float, "Share of the requests that are traced, 0 to 1; by default all."),
    "log_prompts": _log(bool, "Also log what pictures are asked for, which may be private.", "--log-prompts"),
}
"""Setting -> type and option; what is not given is the default of `GatewaySettings`."""


def takes_gateway_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes `**settings`, an option for each of `OPTIONS`."""
    return takes_options(command, OPTIONS)


def settings_of(server: str, file: Path | None, options: Mapping[str, Any]) -> GatewaySettings:
    """The settings of a gateway.

    Args:
        server: grpc://HOST:PORT.
        file: with settings; None for none.
        options: of a command that takes them; those that were given win over the file.

    Raises:
        UsageError: a value is not allowed, or the file cannot be used.
    """
    from pydantic import ValidationError

    from ..serving.gateway.settings import GatewaySettings
    from ..serving.gateway.settings_file import read_settings

    given = {name: value for name, value in options.items() if value not in (None, [])}
    if file is not None:
        given = {**read_settings(file), **given}
    if (repository := given.get("repository")) is not None:
        require_folder(Path(repository), "--repository", "the model repository of the server")
    if (log := given.get("audit_log")) is not None:
        check_file(Path(log), "--audit-log")
    try:
        return GatewaySettings.model_validate({"server": server, **given})
    except ValidationError as error:
        (first, *_) = error.errors()
        name = str(first["loc"][0])
        if name == "server":
            raise UsageError(f"server was given {server!r}; expected grpc://HOST:PORT") from None
        if first["type"] == "value_error":
            raise UsageError(expected(first)) from None
        option = "allow-origin" if name == "allow_origins" else name.replace("_", "-")
        raise UsageError(f"--{option} was given {first['input']!r}; {expected(first)}") from None
