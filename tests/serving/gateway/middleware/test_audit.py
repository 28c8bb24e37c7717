"""Requests become entries of the audit log: who, what kind, with which outcome, and never what was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from litho.errors import AuditError
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.provenance.audit_log import AuditLog, Event

from .conftest import Make


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(app: Any) -> list[dict[str, Any]]:
    audit = app.gateway.audit
    audit.start()
    audit.close()
    return entries(app.gateway.settings.audit_log)


def test_a_request_is_entered(guarded: Make, tmp_path: Path) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["facts"] |= {"model": "tiny", "receipts": ["a" * 64], "prompt": "a secret"}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = guarded("request_id", "logs", "audit", inner=inner, audit_log=tmp_path / "audit.jsonl")
    answered = app.ask("POST", "/v1/images/generations?prompt=secret", json={"prompt": "a secret"})
    app.ask("GET", "/healthz")
    app.ask("GET", "/v2/health/live")
    (entry,) = written(app)
    assert entry["event"] == "request"
    assert entry["details"] == {
        "request_id": answered.headers["x-request-id"],
        "method": "POST",
        "route": "",
        "status": 200,
        "key": "",
        "model": "tiny",
        "receipts": ["a" * 64],
    }
    assert "secret" not in json.dumps(entry)


def test_a_request_that_fails_is_entered_too(guarded: Make, tmp_path: Path) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    app = guarded("request_id", "logs", "audit", inner=inner, audit_log=tmp_path / "audit.jsonl")
    app.ask()
    assert [entry["details"]["status"] for entry in written(app)] == [500]


def test_requests_without_a_key_are_counted(guarded: Make, tmp_path: Path) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = guarded("audit", inner=inner, audit_log=tmp_path / "audit.jsonl")
    for _ in range(5):
        app.ask()
    (entry,) = written(app)
    assert (entry["event"], entry["details"]["count"]) == ("requests-refused", 5)


def test_nothing_is_done_while_the_log_cannot_be_written(guarded: Make, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    AuditLog(log).append(Event("deploy", {}))
    app = guarded("audit", audit_log=log)
    log.write_bytes(b"")
    assert app.ask().status_code == 200
    app.gateway.audit.start()
    app.gateway.audit.close()
    refused = app.ask()
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "audit_unavailable"
    assert str(tmp_path) not in refused.text
    assert len(app.seen) == 1
    assert app.ask("GET", "/healthz").status_code == 200


def test_a_gateway_does_not_start_with_a_log_that_was_changed(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    AuditLog(log).append(Event("deploy", {}))
    log.write_bytes(b"")
    with pytest.raises(AuditError, match="lines were removed"):
        Gateway(GatewaySettings(server="grpc://127.0.0.1:1", audit_log=log))


def test_without_a_log_nothing_is_entered(guarded: Make) -> None:
    app = guarded("audit")
    assert app.gateway.audit is None
    assert app.ask().status_code == 200
