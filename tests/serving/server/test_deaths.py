import signal
from pathlib import Path

import pytest

from litho.serving.server import deaths
from litho.serving.server.deaths import cause_of_death, decisive_line, ending, oom_kills

INFO = 'I1126 04:35:29.460807 31957 http_server.cc:4713] "Started HTTPService at 127.0.0.1:9100"\n'
BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_an_end_is_a_signal_or_an_exit_code() -> None:
    assert ending(-signal.SIGSEGV) == "signal SIGSEGV"
    assert ending(-64) in ("signal 64", "signal SIGRTMAX")
    assert ending(3) == "exit code 3"


@pytest.mark.parametrize(
    ("code", "said", "cause"),
    [
        (-signal.SIGSEGV, INFO, "signal SIGSEGV"),
        (
            -signal.SIGABRT,
            INFO + BAD_ALLOC,
            "signal SIGABRT: terminate called after throwing an instance of 'std::bad_alloc', what(): std::bad_alloc",
        ),
        (-signal.SIGABRT, "free(): double free detected in tcache 2\n", "double free detected"),
        (-signal.SIGKILL, INFO, "signal SIGKILL, from outside"),
        (1, "", "exit code 1"),
    ],
)
def test_a_death_is_named_by_its_signal_and_by_what_the_runtime_said(
    code: int, said: str, cause: str, log: Path
) -> None:
    log.write_text(said)
    assert cause in cause_of_death(code, log)
    assert "Started" not in cause_of_death(code, log)


def test_the_out_of_memory_killer_is_told_from_somebody_else(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = oom_kills()
    assert count is None or count >= 0
    events = tmp_path / "memory.events"
    monkeypatch.setattr(deaths, "_CGROUPS", (events,))
    events.write_text("low 0\noom 4\noom_kill 3\n")
    assert oom_kills() == 3
    assert "ran out of memory" in cause_of_death(-signal.SIGKILL, log, oom_before=2)
    assert "from outside" in cause_of_death(-signal.SIGKILL, log, oom_before=3)


def test_a_log_counts_from_the_last_start_and_may_be_missing_or_endless(log: Path) -> None:
    log.write_text(BAD_ALLOC)
    start = log.stat().st_size
    with log.open("a") as file:
        file.write(INFO)
    assert cause_of_death(-signal.SIGABRT, log, start=start) == "signal SIGABRT"
    assert decisive_line(log.with_name("none")) == "its log is empty"
    assert cause_of_death(-signal.SIGSEGV, Path("/dev/full")) == "signal SIGSEGV"


@pytest.mark.parametrize(
    ("line", "decisive"),
    [
        ("| tiny | 1 | UNAVAILABLE: Internal: TritonModelException: no bundle at x |", "no bundle at x"),
        ('E1126 04:06:02 6830 main.cc:245] "failed to start"', "failed to start"),
        ("error: creating server", "creating server"),
        (INFO, INFO.strip()),
    ],
)
def test_the_decisive_line_of_a_start_that_failed(line: str, decisive: str, log: Path) -> None:
    log.write_text(f"E1126 04:00:00 1 cuda.cc:1] CudaDriverHelper not there\n{line}\n")
    assert decisive_line(log) == decisive
