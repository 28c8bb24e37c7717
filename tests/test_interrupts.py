"""Interrupts that libraries swallow: each program below drops the exception in a way that was seen, and goes on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from litho import interrupts

BEGIN = """
import os, signal, sys, time
from litho import interrupts
interrupts.listen()

def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)

def work():
    while True:
        time.sleep(0.01)
"""

END = """
except KeyboardInterrupt:
    interrupts.end()
    print("ended")
"""


def program(*lines: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    body = "try:\n" + "\n".join(f"    {line}" for text in lines for line in text.strip("\n").splitlines())
    return subprocess.run(
        [sys.executable, "-c", BEGIN + body + END], capture_output=True, text=True, cwd=folder
    )


SWALLOWED = {
    "in a library's except": "try:\n    interrupt()\nexcept BaseException:\n    pass\n",
    "in a destructor": "class Thing:\n    def __del__(self):\n        interrupt()\nThing()\n",
    "in a callback of C": ("import ctypes\ncallback = ctypes.CFUNCTYPE(None)(interrupt)\ncallback()\n"),
    "of SIGTERM": "try:\n    interrupt(signal.SIGTERM)\nexcept BaseException:\n    pass\n",
}


@pytest.mark.parametrize("way", SWALLOWED)
def test_a_swallowed_interrupt_is_raised_again(way: str) -> None:
    done = program(SWALLOWED[way], "work()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_nothing_gets_its_final_name_after_a_swallowed_interrupt(tmp_path: Path) -> None:
    done = program(
        "from pathlib import Path",
        "from litho.files import write_bytes, write_directory",
        "interrupts._watch = print",  # the timer is not what ends it here
        SWALLOWED["in a library's except"],
        "for number in range(2):",
        "    try:",
        "        write_bytes(Path('file'), 'content')",
        "    except KeyboardInterrupt:",
        "        print('refused')",
        "with write_directory(Path('folder')) as new:",
        "    (new / 'file').touch()",
        folder=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("0.2\nrefused\nrefused\n0.0\nended\n", "")
    assert not list(tmp_path.iterdir())


def test_what_cleans_up_is_not_interrupted_and_may_write() -> None:
    done = program(
        "try:",
        "    interrupt()",
        "    work()",
        "finally:",
        "    time.sleep(3 * interrupts._AGAIN_S)",
        "    interrupts.check()",
        "    print('cleaned up')",
    )
    assert (done.stdout, done.stderr) == ("cleaned up\nended\n", "")


def test_an_interrupt_that_was_dealt_with_is_raised_no_more() -> None:
    done = program(
        "try:",
        "    interrupt()",
        "    work()",
        "except KeyboardInterrupt:",
        "    interrupts.taken()",
        "time.sleep(3 * interrupts._AGAIN_S)",
        "interrupts.check()",
        "print('saved', interrupts.noted())",
    )
    assert (done.stdout, done.stderr) == ("saved False\n", "")


def test_a_second_interrupt_ends_the_cleaning_up_and_a_repetition_does_not() -> None:
    done = program(
        "try:",
        "    interrupt()",
        "    work()",
        "finally:",
        "    interrupts._first += 1000",  # however slow this machine is, the next one comes at once
        "    interrupt()",
        "    print('repeated')",
        "    interrupts._first -= 2000",
        "    interrupt()",
        "    print('never')",
    )
    assert (done.stdout, done.stderr) == ("repeated\nended\n", "")


def test_an_import_of_another_package_is_finished_first(tmp_path: Path) -> None:
    (tmp_path / "whole.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.5)\ndone = True\n"
    )
    done = program("import whole", "print('done', whole.done)", "work()", folder=tmp_path)
    # It may come before the line is printed.
    assert done.stdout in ("done True\nended\n", "ended\n")
    assert done.stderr == ""
    (tmp_path / "endless.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: time.sleep(0.1)\n"
    )
    done = program("interrupts._IMPORT_S = 0.5", "import endless", folder=tmp_path)
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_who_listens_instead_gets_a_swallowed_interrupt() -> None:
    done = program(
        SWALLOWED["in a library's except"],
        "heard = []",
        "signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))",
        "while not heard:",
        "    time.sleep(0.01)",
        "time.sleep(3 * interrupts._AGAIN_S)",
        "print(len(heard), interrupts.noted())",
    )
    assert (done.stdout, done.stderr) == ("1 False\n", "")


@pytest.mark.parametrize("number", interrupts.NUMBERS)
def test_an_interrupt_is_held_to_the_end_of_a_block(number: signal.Signals) -> None:
    heard: list[int] = []

    def hear(number: int, frame: object) -> None:
        heard.append(number)

    before = signal.signal(number, hear)
    try:
        with interrupts.held():
            signal.raise_signal(number)
            assert not heard
        assert heard == [number]
        assert signal.getsignal(number) is hear
        with interrupts.held():
            pass
        assert heard == [number]
    finally:
        signal.signal(number, before)


def test_a_thread_and_a_caller_from_python_see_nothing_of_it() -> None:
    before = [signal.getsignal(number) for number in (*interrupts.NUMBERS, signal.SIGALRM)]

    def work() -> None:
        with interrupts.held():
            interrupts.check()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    work()
    assert [signal.getsignal(number) for number in (*interrupts.NUMBERS, signal.SIGALRM)] == before
    assert not interrupts.noted()


def test_a_process_that_was_started_deaf_does_not_get_ctrl_c() -> None:
    child = "import sys; print('up', flush=True); sys.stdin.read(); print('read all')"
    with interrupts.deaf_to_ctrl_c():
        process = subprocess.Popen(
            [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate("")
    assert (said, process.returncode) == ("read all\n", 0)
