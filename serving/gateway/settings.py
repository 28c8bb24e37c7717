"""What a gateway is started with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..provenance.audit_log import log_of_environment
from ..server.traces import check_collector

__all__ = ["GatewaySettings"]

MEBIBYTE = 1 << 20
LONGEST_NUMBER = 2**31 - 1

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Count = Annotated[int, Field(ge=1, le=LONGEST_NUMBER)]


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises an error for what is none
    except ValueError:
        return False
    return bool(parts.hostname) and re.fullmatch(r"https?://[^/\s*?#@]+(/[^\s*?#]*)?", text) is not None


def _check_address(text: str) -> str:
    if not _is_address(text):
        raise PydanticCustomError("address", "expected an address such as https://example.org/litho")
    return text


def _check_origin(text: str) -> str:
    if text != "*" and (not _is_address(text) or text.count("/") > 2):
        raise PydanticCustomError("origin", "expected an origin such as https://pictures.example.org, or *")
    return text


Address = Annotated[str, AfterValidator(_check_address)]
Origin = Annotated[str, AfterValidator(_check_origin)]
Collector = Annotated[str, AfterValidator(check_collector)]


class GatewaySettings(BaseModel):
    """What a gateway is started with; frozen.

    Args:
        server: the Triton server, grpc://HOST:PORT, or grpcs:// for TLS.
        host, port: where the gateway listens; port 0 takes a free one.
        public_url: where clients reach it behind a proxy, such as https://example.org/litho; the proxy takes the path
            off. None for the address that a request names.
        repository: the server's model repository on this machine, for the explanations of its models; None gives none.
        timeout_seconds: longest time for one request, if it sets no shorter one.
        answer_seconds: longest silence of a model in flight, after which it is asked again: what a killed process of
            the server worked on is never answered. None for no limit but `timeout_seconds`.
        refresh_seconds: between two looks at what the server serves.
        most_pictures: most pictures of one request.
        most_steps: most steps of one picture; None for what the model allows.
        most_upload_bytes: largest picture that is sent in, encoded, in bytes.
        most_upload_pixels: largest picture that is decoded, in pixels.
        encoder_threads: threads that encode and decode pictures.
        stored_bytes: memory for pictures that are handed out by URL, in bytes; the oldest go first.
        stored_seconds: how long such a picture stays.
        receipt_key: PEM file of the Ed25519 private key that signs receipts; None leaves them unsigned.
        c2pa_certificate, c2pa_key: PEM files of the certificate and private key that sign C2PA content credentials;
            None for none.
        audit_log: file that every request is entered in; by default what `LITHO_AUDIT_LOG` names, or none.
        audit_log_bytes: at this size the file is set aside and another continues it, in bytes; None for never.
        keys: file of API keys, made by `litho key create`; None asks for none.
        tls_certificate, tls_key: PEM files; None for plain HTTP.
        insecure_remote: listen beyond loopback although keys or TLS are missing.
        allow_origins: origins such as https://pictures.example.org whose pages may use the gateway; "*" for all.
        requests_per_minute, pictures_per_minute: of one key, or without keys of one address; None for no limit.
        concurrent: requests of one key or address at a time; None for no limit but `most_running`.
        most_running: requests of all at a time; of one key or address, the bodies of three quarters of them may be on
            their way.
        most_connections: open connections.
        most_body_bytes: largest body of a request, in bytes.
        most_bodies_bytes: of all bodies at a time, in bytes.
        body_seconds: longest time for a body to arrive, and for an answer to be taken.
        header_seconds: longest time from a connection to the end of the request's headers.
        idle_seconds: how long a connection without a request stays open.
        drain_seconds: longest time to finish accepted requests at the end.
        log_format: "text", or "json" for one document a line.
        log_level: "info" for every request, "warning" for refused and failed ones, "error" for failed ones.
        log_prompts: also log what pictures are asked for.
        traces: collector that spans are sent to by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; None for
            no traces.
        traced_share: share of the requests that are traced, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[str, Field(pattern=r"^grpcs?://[^/\s]+:\d+/?$")]
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: Address | None = None
    repository: Path | None = None
    timeout_seconds: Seconds = 60.0
    answer_seconds: Seconds | None = None
    refresh_seconds: Seconds = 2.0
    most_pictures: Count = 10
    most_steps: Count | None = None
    most_upload_bytes: Count = 32 * MEBIBYTE
    most_upload_pixels: Count = 1 << 24
    encoder_threads: Count = Field(default_factory=lambda: min(8, os.cpu_count() or 1))
    stored_bytes: Count = 256 * MEBIBYTE
    stored_seconds: Seconds = 3600.0
    receipt_key: Path | None = None
    c2pa_certificate: Path | None = None
    c2pa_key: Path | None = None
    audit_log: Path | None = Field(default_factory=log_of_environment)
    audit_log_bytes: Count | None = None
    keys: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    insecure_remote: bool = False
    allow_origins: tuple[Origin, ...] = ()
    requests_per_minute: Count | None = None
    pictures_per_minute: Count | None = None
    concurrent: Count | None = None
    most_running: Count = 512
    most_connections: Count = 4096
    most_body_bytes: Count = 80 * MEBIBYTE
    most_bodies_bytes: Count = 1024 * MEBIBYTE
    body_seconds: Seconds = 60.0
    header_seconds: Seconds = 60.0
    idle_seconds: Seconds = 75.0
    drain_seconds: Seconds = 30.0
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["info", "warning", "error"] = "info"
    log_prompts: bool = False
    traces: Collector | None = None
    traced_share: Annotated[float, Field(ge=0, le=1)] = 1.0
