"""Workers that are processes of this machine: lost ones, and none that outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litho.errors import InvalidInput, LithoError, RuntimeCrash
from litho.runners._pools.local import LocalPool

HERE = Path(__file__).parent


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_piece_done_again(tmp_path: Path) -> None:
    from litho_toys import Squares

    with LocalPool(2) as pool:
        found = dict(pool.run(Squares(tmp_path, dies=[4]), range(9)))
    assert {number: answer for number, (answer, _) in found.items()} == {n: n * n for n in range(9)}
    assert (tmp_path / "dies-4").exists()
    assert pool.report.pieces == 9
    assert pool.report.retries >= 1


@pytest.mark.slow
def test_a_piece_that_always_ends_its_worker_and_a_refused_one_end_the_work(tmp_path: Path) -> None:
    from litho_toys import Squares

    with LocalPool(2) as pool:
        with pytest.raises(RuntimeCrash, match=r"5 workers ended .* in one of the pieces 0"):
            list(pool.run(Squares(tmp_path, always_dies=[0]), [0]))
        with pytest.raises(InvalidInput, match="number 1 is wrong"):
            list(pool.run(Squares(tmp_path, wrong=[1]), range(2)))
        with pytest.raises(LithoError, match="no such model"):
            list(pool.run(Squares(tmp_path, closed=True), range(2)))


@pytest.mark.slow
def test_workers_that_were_stopped_end_with_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from litho_toys import Squares

    monkeypatch.setattr("litho.runners._pools.local._END_SECONDS", 0.2)
    others = set(multiprocessing.active_children())  # that tests before this one keep
    work = LocalPool(2).run(Squares(tmp_path, seconds=0.1), range(10**6))
    next(work)
    children = set(multiprocessing.active_children()) - others
    for child in children:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
    work.close()  # type: ignore[attr-defined] - a generator
    assert len(children) == 2
    assert not any(child.is_alive() for child in children)


PARENT = """
import sys
from pathlib import Path
from litho.runners._pools.local import LocalPool
from litho_toys import Squares

if __name__ == "__main__":
    for number, _ in LocalPool(2).run(Squares(Path(sys.argv[1]), seconds=0.1), range(10**6)):
        print(number, flush=True)
"""


def children_of(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them_even_if_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(HERE)))
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py", tmp_path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline()
        children = children_of(parent.pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 120
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until, children
        time.sleep(0.05)
    assert len(children) >= 2


@pytest.mark.slow
def test_workers_that_cannot_be_started_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"', "sh"]
    if os.getuid() or subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces need the rights of root")
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(HERE)))
    ended = subprocess.run(
        [*hidden, sys.executable, tmp_path / "parent.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert ended.returncode == 1
    assert "no workers can be started: their locks lie in /dev/shm" in ended.stderr.splitlines()[-1]
