"""Whatever is changed, removed, inserted or moved in an audit log is found out."""

from pathlib import Path

import pytest

from litho.errors import AuditError, UsageError
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_log import AuditLog, Event


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """A log of five entries."""
    made = AuditLog(tmp_path / "logs" / "audit.jsonl")
    for number in range(5):
        made.append(Event("request", {"request_id": f"r-{number}", "status": 200}))
    return made


def lines(log: AuditLog) -> list[str]:
    return log.path.read_text().splitlines()


def write(log: AuditLog, given: list[str]) -> None:
    log.path.write_text("".join(f"{line}\n" for line in given))


def head_of(log: AuditLog) -> Path:
    return log.path.with_name("audit.jsonl.head")


@pytest.mark.parametrize("at", range(5))
def test_a_removed_line_is_found_out(log, at):
    write(log, [line for number, line in enumerate(lines(log)) if number != at])
    with pytest.raises(AuditError, match="removed" if at else "begins|removed"):
        verify_log(log.path)
    with pytest.raises(AuditError, match="lines were removed"):
        log.append(Event("request", {}))


@pytest.mark.parametrize("at", range(5))
def test_a_changed_line_is_found_out(log, at):
    changed = lines(log)
    changed[at] = changed[at].replace("r-", "x-")
    write(log, changed)
    with pytest.raises(AuditError, match=f"line {at + 1} of .* has changed"):
        verify_log(log.path)


def test_a_line_that_was_inserted_repeated_or_moved_is_found_out(log):
    whole = lines(log)
    for changed in (
        [*whole[:2], whole[1], *whole[2:]],
        [whole[0], whole[2], whole[1], *whole[3:]],
        [*whole[:3], "", *whole[3:]],
        [*whole[:3], "{}", *whole[3:]],
        whole[1:],
        [],
    ):
        write(log, changed)
        with pytest.raises(AuditError, match=r"restore|removed"):
            verify_log(log.path)


def test_an_end_of_a_line_that_was_removed_is_found_out(log):
    log.path.write_bytes(log.path.read_bytes()[:-1])
    with pytest.raises(AuditError, match="the last 1 were removed"):
        verify_log(log.path)


def test_the_head_cannot_be_left_out(log):
    head_of(log).unlink()
    for work in (lambda: verify_log(log.path), lambda: log.append(Event("request", {}))):
        with pytest.raises(AuditError, match="head is missing"):
            work()


def test_a_history_that_was_rewritten_with_its_head_is_found_out_by_a_head_that_was_kept(log, tmp_path):
    kept = verify_log(log.path).head
    log.append(Event("request", {}))
    verify_log(log.path, kept)
    other = AuditLog(tmp_path / "other.jsonl")
    for number in range(9):
        other.append(Event("request", {"request_id": f"r-{number}", "status": 500}))
    with pytest.raises(AuditError, match=r"line 5 of .* is not the one of the given head"):
        verify_log(other.path, kept)
    for given in ("", "5", "5:xyz", "x:" + "0" * 64):
        with pytest.raises(UsageError, match="NUMBER:HASH"):
            verify_log(log.path, given)


def test_what_cannot_be_a_log_is_a_wrong_request(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for wrong in (tmp_path, loop, tmp_path / "absent"):
        with pytest.raises(UsageError, match=f"{wrong}.*; give the file of --audit-log"):
            verify_log(wrong)
