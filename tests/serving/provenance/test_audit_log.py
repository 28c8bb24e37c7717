"""The audit log: whatever is changed, removed, inserted or moved is found out; several processes write one log."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from litho.errors import AuditError, UsageError
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_log import AuditLog, Event, audited


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


def test_an_untouched_log_verifies(log):
    verified = verify_log(log.path)
    assert (verified.entries, verified.notes) == (5, ())
    entries = [json.loads(line) for line in lines(log)]
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0]["previous"] == "0" * 64
    assert (log.path.stat().st_mode & 0o777) == 0o600


def test_a_torn_last_line_is_cut_off_and_entered(log):
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[:40])
    assert "torn line" in verify_log(log.path).notes[0]
    log.append(Event("deploy", {}))
    assert verify_log(log.path).notes == ()
    assert [json.loads(line)["event"] for line in lines(log)[5:]] == ["torn-line-cut", "deploy"]


def test_whole_lines_that_a_killed_writer_did_not_note_count(log):
    before = head_of(log).read_bytes()
    log.append(Event("deploy", {}))
    head_of(log).write_bytes(before)
    assert "did not note the last 1" in verify_log(log.path).notes[0]
    log.append(Event("rollback", {}))
    assert verify_log(log.path).entries == 7


def test_what_is_no_log_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no audit log at"):
        verify_log(tmp_path / "none.jsonl")
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not ours\n")
    with pytest.raises(AuditError, match="head is missing"):
        AuditLog(foreign).append(Event("deploy", {}))
    assert foreign.read_text() == "not ours\n"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AuditError, match="no ordinary file"):
        AuditLog(tmp_path / "pipe").check()
    with pytest.raises(AuditError, match="cannot be written"):
        AuditLog(Path("/proc/audit.jsonl")).check()


def test_a_full_disk_leaves_the_log_as_it_was(log):
    import resource

    program = (
        "import resource, signal, sys\n"
        "from litho.errors import AuditError\n"
        "from litho.serving.provenance.audit_log import AuditLog, Event\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try:\n"
        "    AuditLog(sys.argv[1]).append(Event('request', {'text': 'x' * 400}))\n"
        "except AuditError as error:\n"
        "    print(error)\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    size = log.path.stat().st_size
    words = [sys.executable, "-c", program, str(log.path), str(size + 100)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "cannot be written" in done.stdout, done.stderr
    assert log.path.stat().st_size == size
    assert verify_log(log.path).entries == 5


def test_several_processes_and_threads_write_one_log(log):
    program = (
        "import sys\n"
        "from litho.serving.provenance.audit_log import AuditLog, Event\n"
        "for number in range(20):\n"
        "    AuditLog(sys.argv[1]).append(Event('deploy', {'number': number}))\n"
    )
    words = [sys.executable, "-c", program, str(log.path)]
    processes = [subprocess.Popen(words) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda: [log.append(Event("request", {})) for _ in range(20)]) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert verify_log(log.path).entries == 5 + 80


def test_work_has_an_entry_for_its_start_and_its_end(tmp_path):
    path = tmp_path / "audit.jsonl"
    with audited(path, "deploy", model="digits") as details:
        details["version"] = 3

    def fail() -> None:
        with audited(path, "rollback", model="digits"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with audited(None, "undeploy"):
        pass
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    seen = [(entry["event"], entry["details"]["outcome"]) for entry in entries]
    assert seen == [
        ("deploy", "started"),
        ("deploy", "done"),
        ("rollback", "started"),
        ("rollback", "failed"),
    ]
    assert entries[1]["details"]["version"] == 3
    assert entries[0]["details"]["operation"] == entries[1]["details"]["operation"]
    assert entries[3]["details"]["error"] == "KeyboardInterrupt"
    verify_log(path)


def test_no_work_is_done_without_a_log_that_was_asked_for(log):
    write(log, lines(log)[:-1])
    done = []
    with pytest.raises(AuditError), audited(log.path, "deploy"):
        done.append(1)
    assert not done
