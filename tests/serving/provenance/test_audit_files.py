"""A log in several files is one chain."""

import hashlib
import threading
from pathlib import Path

import pytest

from litho.errors import AuditError
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_files import older_files
from litho.serving.provenance.audit_log import AuditLog, Event

MOST_BYTES = 600
"""Three or four entries."""


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    made = AuditLog(tmp_path / "audit.jsonl", MOST_BYTES)
    for number in range(10):
        made.append(Event("request", {"request_id": f"r-{number}"}))
    return made


def test_a_large_file_is_set_aside_and_the_next_one_goes_on(log: AuditLog) -> None:
    parts = older_files(log.path)
    assert len(parts) == 2
    assert all(file.stat().st_size < 2 * MOST_BYTES for _, file in parts)
    assert [file.name for _, file in parts] == [f"audit.jsonl.{last:012d}" for last, _ in parts]
    assert verify_log(log.path).entries == 10
    # A log that is never set aside, such as that of `litho deploy`, follows.
    AuditLog(log.path).append(Event("deploy", {}))
    assert verify_log(log.path).entries == 11


def test_a_log_that_was_just_set_aside_verifies_and_goes_on(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", 1)
    log.append(Event("request", {}))
    assert not log.path.exists()
    assert verify_log(log.path).entries == 1
    log.check()
    log.append(Event("request", {}), Event("request", {}))
    assert verify_log(log.path).entries == 3
    assert [last for last, _ in older_files(log.path)] == [1, 3]


@pytest.mark.parametrize("at", [0, -1])
def test_a_removed_file_is_found_out(log: AuditLog, at: int) -> None:
    older_files(log.path)[at][1].unlink()
    with pytest.raises(AuditError, match="removed"):
        verify_log(log.path)


@pytest.mark.parametrize("at", [0, -1])
def test_a_changed_or_cut_file_is_found_out(log: AuditLog, at: int) -> None:
    file = older_files(log.path)[at][1]
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"r-", b"x-", 1))
    with pytest.raises(AuditError, match="has changed"):
        verify_log(log.path)
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(AuditError, match=r"its end was removed|removed"):
        verify_log(log.path)


def test_files_before_a_head_that_was_kept_may_be_moved_away(log: AuditLog) -> None:
    last, file = older_files(log.path)[0]
    line = file.read_text().splitlines()[-1]
    head = f"{last}:{hashlib.sha256(line.encode()).hexdigest()}"
    file.unlink()
    assert verify_log(log.path, head).entries == 10
    with pytest.raises(AuditError, match="begins elsewhere"):
        verify_log(log.path, f"{last}:{'0' * 64}")


def test_a_writer_that_waited_for_the_lock_writes_to_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write() -> None:
        log = AuditLog(path, MOST_BYTES)
        for _ in range(20):
            log.append(Event("request", {}))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify_log(path).entries == 80


def test_what_a_writer_left_that_was_killed_before_the_head_is_taken_up(log: AuditLog) -> None:
    AuditLog(log.path).append(Event("request", {}))
    head = log.path.with_name("audit.jsonl.head")
    before = head.read_bytes()
    AuditLog(log.path).append(Event("request", {}))
    head.write_bytes(before)
    assert "killed writer" in verify_log(log.path).notes[0]
    AuditLog(log.path).append(Event("request", {}))
    assert verify_log(log.path).entries == 13
