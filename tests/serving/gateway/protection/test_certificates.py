"""Certificates that are renewed, and that end, while a real gateway serves."""

import base64
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litho.errors import UsageError
from litho.serving.gateway.protection.binding import TlsFiles
from litho.serving.gateway.protection.certificates import Certificates
from litho.serving.provenance.content_credentials import read_credentials
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.events import Event

from ....conftest import running_gateway
from ...provenance.certificates import make_signer
from .test_binding import write_certificate

ENDS_AFTER_SECONDS = 10
"""Long enough for a gateway to look at its files once more."""


def put(files: tuple[Path, Path], to: tuple[Path, Path]) -> None:
    """Renew files as certbot does: each in one step."""
    for new, old in zip(files, to, strict=True):
        shutil.copy2(new, beside := old.with_name(f"{old.name}.new"))
        beside.replace(old)


def answered(url: str, body: dict[str, Any] | None = None, **options: Any) -> tuple[int, bytes]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, **options) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_for(status: int, url: str) -> bytes:
    """Ask until the answer has this status."""
    until = time.monotonic() + 120
    while True:
        got, content = answered(url)
        if got == status:
            return content
        assert time.monotonic() < until, content
        time.sleep(0.05)


@pytest.mark.slow
def test_no_picture_leaves_without_its_credentials_and_a_renewal_needs_no_restart(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    files = make_signer(tmp_path / "old")
    named = dict(zip(("c2pa_certificate", "c2pa_key"), files, strict=True))
    with running_gateway(server.grpc_url, refresh_seconds=0.05, **named) as program:
        make, ready = f"{program.url}/v1/images/generations", f"{program.url}/readyz"
        asked = {"prompt": "3", "seed": 7}
        status, content = answered(make, asked)
        assert status == 200
        first = json.loads(content)["data"][0]
        put(make_signer(tmp_path / "short", days=(-1, ENDS_AFTER_SECONDS / 86400)), files)
        said = json.loads(wait_for(503, ready))["error"]
        assert said["code"] == "certificate_invalid"
        assert str(tmp_path) not in said["message"]
        for body in (asked, {**asked, "stream": True}, {**asked, "response_format": "url"}):
            status, content = answered(make, body)
            assert (status, json.loads(content)["error"]["code"]) == (503, "certificate_invalid")
        _, figures = answered(f"{program.url}/metrics")
        (line,) = [
            one for one in figures.decode().splitlines() if one.startswith("litho_gateway_certificate")
        ]
        assert line.startswith('litho_gateway_certificate_end_timestamp_seconds{use="content_credentials"}')
        assert float(line.split()[1]) < time.time()
        put(make_signer(tmp_path / "new"), files)
        wait_for(200, ready)
        status, content = answered(make, asked)
    assert status == 200
    again = json.loads(content)["data"][0]
    assert again["receipt"]["pixels_sha256"] == first["receipt"]["pixels_sha256"]
    for one in (first, again):
        state = read_credentials(base64.b64decode(one["b64_json"]))
        assert state is not None
        assert one is first or state.state == "Valid"


def test_connections_after_a_renewal_see_the_new_certificate(tmp_path: Path) -> None:
    files, new = write_certificate(tmp_path / "old"), write_certificate(tmp_path / "new")
    named = dict(zip(("tls_certificate", "tls_key"), files, strict=True))
    with running_gateway("grpc://127.0.0.1:1", refresh_seconds=0.05, **named) as program:
        host, port = program.url.removeprefix("https://").split(":")
        before = ssl.get_server_certificate((host, int(port)))
        assert before == files[0].read_text()
        put(new, files)
        until = time.monotonic() + 60
        while (after := ssl.get_server_certificate((host, int(port)))) == before:
            assert time.monotonic() < until
        assert after == new[0].read_text()
        trusting = ssl.create_default_context(cafile=files[0])
        assert answered(f"{program.url}/healthz", context=trusting)[0] == 200


def test_half_of_a_renewal_changes_nothing_until_the_other_half_is_there(tmp_path: Path) -> None:
    files, new = write_certificate(tmp_path / "old"), write_certificate(tmp_path / "new")
    said: list[Event] = []
    read: list[tuple[str, datetime]] = []
    now = datetime.now(UTC)
    certificates = Certificates(said.append, lambda *one: read.append(one), 1.0, lambda: now)
    certificates.watch("tls", TlsFiles(*files))
    put((new[0], files[1]), files)
    certificates.refresh()
    assert [event.event for event in said] == ["certificate-unusable"]
    assert "do not belong together" in said[0].cause
    put((files[0], new[1]), files)
    certificates.refresh()
    certificates.refresh()
    assert [event.event for event in said[1:]] == ["certificate-renewed"]
    assert [use for use, _ in read] == ["tls", "tls"]
    files[0].unlink()
    certificates.refresh()
    assert said[2].event == "certificate-unusable"
    now += timedelta(days=2)
    certificates.refresh()
    certificates.refresh()
    assert [event.event for event in said[3:]] == ["certificate-ended"]


class Early:
    """A renewal by a machine whose clock is ahead of this one."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "certificate", folder / "key"
        self.usable = True

    def load(self) -> datetime:
        if not self.usable:
            raise UsageError("it is not valid yet")
        return datetime.now(UTC) + timedelta(days=1)


def test_a_certificate_that_is_not_valid_yet_is_used_from_when_it_is(tmp_path: Path) -> None:
    said: list[Event] = []
    certificates = Certificates(said.append, lambda *_: None, 1.0)
    early = Early(tmp_path)
    certificates.watch("tls", early)
    early.files[0].touch()
    early.usable = False
    for _ in range(3):
        certificates.refresh()
    assert [event.event for event in said] == ["certificate-unusable"]
    early.usable = True
    for _ in range(2):
        certificates.refresh()
    assert [event.event for event in said[1:]] == ["certificate-renewed"]


def test_files_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path / "one")
    _, key = write_certificate(tmp_path / "two")
    with pytest.raises(UsageError, match="do not belong together"):
        TlsFiles(certificate, key)
