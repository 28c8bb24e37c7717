import os
import subprocess
import sys
from pathlib import Path

import pytest

from litho.serving.backend.in_hand import DRAIN_VARIABLE, InHand, read_records


def test_what_is_in_hand_is_read_by_another_process_at_once(tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    work = InHand(drain)
    assert work.accept(3)
    first = read_records(drain)[os.getpid()]
    assert (first.in_hand, first.answered) == (3, 0)
    work.progressed()
    assert read_records(drain)[os.getpid()].moved > first.moved
    work.answered(2)
    reader = (
        "import sys, pathlib; from litho.serving.backend.in_hand import read_records;"
        "(one,) = read_records(pathlib.Path(sys.argv[1])).values(); print(one.in_hand, one.answered)"
    )
    seen = subprocess.run([sys.executable, "-c", reader, str(drain)], capture_output=True, text=True)
    assert seen.stdout.split() == ["1", "2"]


def test_a_record_that_is_read_while_it_is_written_has_a_time(tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    writer = (
        "import sys, pathlib; from litho.serving.backend.in_hand import InHand;"
        "work = InHand(pathlib.Path(sys.argv[1])); print(flush=True)\n"
        "while True: work.accept(); work.answered()"
    )
    with subprocess.Popen([sys.executable, "-c", writer, str(drain)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        moved = [read_records(drain)[process.pid].moved for _ in range(5000)]
        process.kill()
    assert min(moved) > 0


def test_while_the_file_exists_new_work_is_refused_and_the_rest_is_finished(tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    work = InHand(drain)
    assert work.accept()
    drain.touch()
    assert work.draining
    assert not work.accept(5)
    assert read_records(drain)[os.getpid()].in_hand == 1
    work.answered()
    record = read_records(drain)[os.getpid()]
    assert (record.in_hand, record.answered) == (0, 1)
    drain.unlink()
    assert work.accept()


def test_without_a_supervisor_nothing_is_written_and_nothing_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DRAIN_VARIABLE, raising=False)
    assert InHand.of_environment().accept()
    monkeypatch.setenv(DRAIN_VARIABLE, str(tmp_path / "gone" / "gone" / "drain"))
    work = InHand.of_environment()
    assert work.accept()
    assert not (tmp_path / "gone").exists()
    work.close()


def test_the_last_process_to_end_leaves_nothing(tmp_path: Path) -> None:
    drain = tmp_path / "state" / "drain"
    work = InHand(drain)
    other = drain.parent / "1.in-hand"
    other.touch()
    work.close()
    assert [path.name for path in drain.parent.iterdir()] == ["1.in-hand"]
    other.unlink()
    InHand(drain).close()
    assert not drain.parent.exists()


def test_half_written_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "12.in-hand").write_bytes(b"short")
    (tmp_path / "name.in-hand").write_bytes(bytes(24))
    (tmp_path / "other").write_bytes(bytes(24))
    assert read_records(tmp_path / "drain") == {}
