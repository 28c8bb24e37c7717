"""The process of one run of LoadGen: `python -m litho.benchmarks.mlperf.answering PLAN OUTCOME`.

LoadGen keeps its process busy in C++ until the run is over, where no signal reaches Python, and waits for ever for a
query that nobody answers. In a process of its own it can be stopped.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...bundle.json_documents import Document
from ...errors import LithoError
from ...extras import require
from ...files import write_bytes
from ...runners import Runner, open_runner
from ...runners.triton import Runner as TritonRunner
from .answers import Answers
from .samples import Samples
from .systems import Local, Remote, System
from .wire import Wire

__all__ = ["Outcome", "Plan", "answer", "open_system"]

STALL_SECONDS = 120.0
"""A run ends when samples have waited so long without any picture."""


class Plan(Document):
    """One run of LoadGen.

    Args:
        target: what answers, as `open_runner` takes it.
        variant: of a bundle.
        bundle: folder of the bundle whose probes are the samples.
        scenario, mode: as LoadGen calls them.
        settings: name -> value of LoadGen's `TestSettings`.
        samples_per_query: pictures of a query, for the warm-up.
        warmup_seconds: length of the warm-up, which LoadGen does not see.
        window: largest number of requests in flight; None for as many as LoadGen asks for.
        logs: folder of LoadGen's logs.
    """

    target: str
    variant: str | None
    bundle: str
    scenario: str
    mode: str
    settings: dict[str, int | float]
    samples_per_query: int = 1
    warmup_seconds: float = 1.0
    window: int | None = None
    logs: str


class Outcome(Document):
    """What became of a run.

    Args:
        answered: samples answered with a picture.
        failed: message -> number of samples whose request failed.
        seconds: length of the run.
        cpu_seconds: processor time of the process within it.
        stopped: why the run was given up; empty if LoadGen ended it.
    """

    answered: int
    failed: dict[str, int]
    seconds: float
    cpu_seconds: float
    stopped: str = ""


def answer(plan: Plan, finished: Callable[[Outcome], None]) -> None:
    """Let LoadGen run in this thread, and answer it.

    Args:
        plan: of the run.
        finished: gets the outcome; also from another thread, when the run is given up.

    Raises:
        LithoError: the target cannot be opened, or does not answer before the run.
    """
    loadgen = require("mlperf_loadgen", "loadgen")
    samples = Samples(Bundle.load(Path(plan.bundle)))
    began, spent = time.perf_counter(), time.process_time()

    def outcome(stopped: str = "") -> Outcome:
        return Outcome(
            answered=answers.answered,
            failed=dict(answers.failed),
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time() - spent,
            stopped=stopped,
        )

    answers = Answers(samples.shape, gone=lambda message: finished(outcome(message)))
    with open_runner(plan.target, plan.variant) as runner:
        system = open_system(runner, samples, answers, plan.window)
        fastest = system.warm_up(plan.samples_per_query, plan.warmup_seconds)
        settings = _settings(loadgen, plan, fastest)
        threading.Thread(
            target=_watch, args=(answers, lambda why: finished(outcome(why))), daemon=True
        ).start()
        under_test = loadgen.ConstructSUT(system.issue, _nothing)
        library = loadgen.ConstructQSL(len(samples), len(samples), _nothing, _nothing)
        began, spent = time.perf_counter(), time.process_time()
        loadgen.StartTestWithLogSettings(under_test, library, settings, _log_settings(loadgen, plan.logs), "")
        finished(outcome())


def open_system(runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> System:
    """The system under test that fits a runner; see `System`."""
    if type(runner).submit is Runner.submit:
        return Local(runner, samples, answers, window)
    if isinstance(runner, TritonRunner) and not runner.decoupled:
        return Wire(runner, samples, answers, window)
    return Remote(runner, samples, answers, window)


def _settings(loadgen: Any, plan: Plan, fastest: float) -> Any:
    """LoadGen's settings; the expected latency decides only how many queries it draws in advance."""
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, plan.scenario)
    settings.mode = getattr(loadgen.TestMode, plan.mode)
    # A run that needs more queries than were drawn is invalid, so it expects twice the speed of the fastest query.
    expected = max(1, int(fastest * 1e9 / 2))
    settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = expected
    for name, value in plan.settings.items():
        setattr(settings, name, value)
    return settings


def _log_settings(loadgen: Any, folder: str) -> Any:
    output = loadgen.LogOutputSettings()
    output.outdir, output.copy_summary_to_stdout = folder, False
    settings = loadgen.LogSettings()
    settings.log_output, settings.enable_trace = output, False
    return settings


def _watch(answers: Answers, gone: Callable[[str], None]) -> None:
    """Give the run up when nothing is answered any more, or when whoever started it is gone."""
    parent = os.getppid()
    while True:
        time.sleep(1)
        if os.getppid() != parent:
            gone("the process that started it has ended")
        silent = time.monotonic() - answers.last
        if answers.waiting and silent > STALL_SECONDS:
            gone(f"no picture came for {STALL_SECONDS:g} s while {answers.waiting} samples waited")


def _nothing(*_: object) -> None:
    """LoadGen tells when samples are to be loaded; they are in memory all the time."""


def main() -> None:
    """Run the plan of a file, and write the outcome to another; an error goes to standard error, in one line."""
    plan = Plan.model_validate_json(Path(sys.argv[1]).read_bytes())
    path, lock = Path(sys.argv[2]), threading.Lock()

    def finished(outcome: Outcome) -> None:
        lock.acquire()  # for good: the first outcome ends the process
        write_bytes(path, outcome.model_dump_json())
        os._exit(0)  # LoadGen's threads would wait for answers that do not come

    try:
        answer(plan, finished)
    except LithoError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
