"""What a gateway is started with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GatewaySettings"]

MEBIBYTE = 1 << 20
LONGEST_NUMBER = 2**31 - 1

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Count = Annotated[int, Field(ge=1, le=LONGEST_NUMBER)]


class GatewaySettings(BaseModel):
    """What a gateway is started with; frozen.

    Args:
        server: the Triton server, grpc://HOST:PORT, or grpcs:// for TLS.
        host, port: where the gateway listens; port 0 takes a free one.
        timeout_seconds: longest time for one request, if it sets no shorter one.
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
        audit_log: file that every request is entered in; None for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[str, Field(pattern=r"^grpcs?://[^/\s]+:\d+/?$")]
    host: str = "127.0.0.1"
    port: Port = 8080
    timeout_seconds: Seconds = 60.0
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
    audit_log: Path | None = None
