"""An audit log on a disk that fails, in a folder that may not be written, cut and changed at every byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from litho.errors import AuditError
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_log import AuditLog, Event

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of two files, and their head."""
    log = AuditLog(tmp_path / "audit.jsonl", 500)
    for number in range(4):
        log.append(Event("request", {"number": number}))
    assert len(list(tmp_path.iterdir())) == 3
    return tmp_path


def changes_of(content: bytes) -> Iterator[bytes]:
    """The content cut before each byte, with each byte changed, taken out, and written twice."""
    for at in range(len(content)):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        yield content[:at] + content[at + 1 :]
        yield content[: at + 1] + content[at:]


def test_no_change_of_a_byte_verifies(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for changed in changes_of(content):
            # A reader of JSON minds neither the last line's end nor digits in names that it does not know.
            if file.suffix == ".head" and changed.strip() == content.strip():
                continue
            file.write_bytes(changed)
            with pytest.raises(AuditError):
                verify_log(folder / "audit.jsonl")
        file.write_bytes(content)
    assert verify_log(folder / "audit.jsonl").entries == 4


def test_files_that_changed_places_do_not_verify(folder: Path) -> None:
    files = sorted(folder.iterdir())
    contents = [file.read_bytes() for file in files]
    for one in range(3):
        for other in range(one):
            for at, file in enumerate(files):
                file.write_bytes(contents[{one: other, other: one}.get(at, at)])
            with pytest.raises(AuditError):
                verify_log(folder / "audit.jsonl")


WITHOUT_A_FOLDER = """
import os, sys
from pathlib import Path
from litho.errors import AuditError
from litho.serving.provenance.audit_log import AuditLog, Event
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(int(sys.argv[2]))
log = AuditLog(Path("logs") / "audit.jsonl")
for work in (log.check, lambda: log.append(Event("request", {"number": 9})), lambda: log.append(Event("request", {}))):
    try:
        work()
    except AuditError as error:
        print(error)
"""


def test_a_folder_that_may_not_be_written_is_said_at_once_and_no_entry_is_left(tmp_path: Path) -> None:
    """The log itself can be written, its head cannot: whoever enters an event again must not find it twice."""
    logs = tmp_path / "logs"
    log = AuditLog(logs / "audit.jsonl")
    log.append(Event("request", {"number": 0}))
    before = log.path.read_bytes()
    if os.geteuid() == 0:
        for one in (logs, *logs.iterdir()):
            os.chown(one, NOBODY, NOBODY)
    logs.chmod(0o500)
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_A_FOLDER, str(tmp_path), str(NOBODY)],
            capture_output=True,
            text=True,
        )
    finally:
        logs.chmod(0o700)
    assert done.stdout.count("cannot be written") == 3, done.stderr
    assert log.path.read_bytes() == before
    assert verify_log(log.path).entries == 1


ENDLESS = """
import sys
from litho.serving.provenance.audit_log import AuditLog, Event
log = AuditLog(sys.argv[1], 5_000)
print("started", flush=True)
while True:
    log.append(Event("request", {"from": sys.argv[2]}), Event("request", {"from": sys.argv[2]}))
"""


def test_writers_that_are_killed_at_any_moment_leave_one_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    entries = 0
    for turn in range(6):
        running = [
            subprocess.Popen([sys.executable, "-c", ENDLESS, path, str(number)], stdout=subprocess.PIPE)
            for number in range(2)
        ]
        try:
            for one in running:
                assert one.stdout is not None
                assert one.stdout.readline() == b"started\n"
            while len(list(tmp_path.glob("audit.jsonl.0*"))) <= turn:
                verify_log(path)
        finally:
            for one in running:
                one.send_signal(signal.SIGKILL)
                one.communicate()
        AuditLog(path).append(Event("deploy", {}))
        verified = verify_log(path)
        assert verified.notes == ()
        assert verified.entries > entries
        entries = verified.entries


def test_a_clock_that_is_set_back_is_no_forgery(tmp_path: Path) -> None:
    """The order is that of the numbers; a time is what the clock of the moment said."""
    log = AuditLog(tmp_path / "audit.jsonl")
    for year in (2031, 1969, 2026):
        log.append(Event("request", {}, time=f"{year}-01-01T00:00:00.000Z"))
    assert verify_log(log.path).entries == 3
