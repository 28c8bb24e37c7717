"""The thread that writes an audit log: nothing is lost, a failing log is said, refused requests become one entry."""

import json
import queue
from pathlib import Path
from typing import Any

import pytest

from litho.errors import AuditError
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_log import AuditLog, Event
from litho.serving.provenance.audit_writer import AuditWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_all_that_was_added_is_written_in_order(path):
    writer = AuditWriter(AuditLog(path))
    writer.start()
    for number in range(1000):
        writer.add(Event("request", {"number": number}))
    writer.close()
    assert [entry["details"]["number"] for entry in entries(path)] == list(range(1000))
    assert verify_log(path).entries == 1000


def test_requests_without_a_key_become_few_entries(path):
    writer = AuditWriter(AuditLog(path))
    writer.start()
    for _ in range(500):
        writer.count_refused()
    writer.close()
    counted = [entry["details"]["count"] for entry in entries(path)]
    assert sum(counted) == 500
    assert len(counted) <= 3


def test_a_log_that_fails_is_said_and_taken_up_again(path):
    said: queue.Queue[str] = queue.Queue()
    writer = AuditWriter(AuditLog(path), said.put)
    writer.start()
    writer.add(Event("request", {"number": 0}))
    writer.close()
    whole = path.read_bytes()

    writer = AuditWriter(AuditLog(path), said.put)
    writer.start()
    path.write_bytes(b"")
    writer.add(Event("request", {"number": 1}))
    assert "lines were removed" in said.get(timeout=120)
    assert "lines were removed" in writer.failing
    path.write_bytes(whole)
    assert said.get(timeout=120) == ""
    assert writer.failing == ""
    writer.close()
    assert [entry["details"]["number"] for entry in entries(path)] == [0, 1]


def test_it_does_not_start_with_a_log_that_was_changed(path):
    AuditLog(path).append(Event("request", {}))
    path.write_bytes(b"")
    with pytest.raises(AuditError):
        AuditWriter(AuditLog(path))


def test_closing_with_a_failing_log_ends(path):
    AuditWriter(AuditLog(path)).close()
    writer = AuditWriter(AuditLog(path))
    writer.start()
    path.unlink()
    path.mkdir()
    writer.add(Event("request", {}))
    writer.close()
    assert writer.failing
