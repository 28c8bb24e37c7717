"""The engine's laws, on the graphs of a tiny flow."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from litho.errors import DeadlineExceeded, EndpointBusy, EndpointUnavailable, InvalidInput, LithoError
from litho.runners import open_runner
from litho.runners.rectified_flow import Rows, Runner
from litho.serving.in_flight import engine as in_flight
from litho.serving.in_flight.engine import Engine
from litho.serving.in_flight.live_requests import Options

from ..conftest import assert_same_pictures

PROMPTS = ("a red circle", "", "круг", "blue square")
SECONDS = 60


class Answers:
    """Collects the answers of one request."""

    def __init__(self, gone: bool = False) -> None:
        self.pictures: dict[int, np.ndarray] = {}
        self.previews: list[tuple[int, int]] = []
        self.errors: list[LithoError] = []
        self.endings = 0
        self.ended = threading.Event()
        self.gone = gone

    def picture(self, row: int, step: int, image: np.ndarray, *, last: bool) -> None:
        assert not self.ended.is_set()
        if row in self.pictures or step < self.wanted[row]:
            self.previews.append((row, step))
        else:
            self.pictures[row] = image.copy()
        self._end(last)

    def failed(self, error: LithoError) -> None:
        assert not self.ended.is_set()
        self.errors.append(error)
        self._end(True)

    def is_gone(self) -> bool:
        return self.gone

    def expect(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.wanted = inputs["steps"]
        return inputs

    def _end(self, last: bool) -> None:
        if last:
            self.endings += 1
            self.ended.set()

    def result(self) -> np.ndarray:
        assert self.ended.wait(SECONDS)
        assert not self.errors
        return np.concatenate([self.pictures[row] for row in sorted(self.pictures)])


class Watched:
    """A flow's runner that notes what it begins and how many rows it moves, and can be held before a step."""

    def __init__(self, bundle: Path) -> None:
        opened = open_runner(bundle)
        assert isinstance(opened, Runner)
        self.runner = opened
        self.begun: list[int] = []
        self.moved: list[int] = []
        self.may_step = threading.Event()
        self.may_step.set()
        self.stepping = threading.Event()
        self.fails: Callable[[Rows], bool] = lambda rows: False
        begin, advance = opened.begin, opened.advance

        def watched_begin(inputs: Any) -> Rows:
            self.begun += inputs["seed"].tolist()
            return begin(inputs)

        def watched_advance(rows: Rows) -> Any:
            self.moved.append(len(rows))
            self.stepping.set()
            assert self.may_step.wait(SECONDS)
            if self.fails(rows):
                raise LithoError("the runtime failed")
            return advance(rows)

        opened.begin, opened.advance = watched_begin, watched_advance  # type: ignore[method-assign]


def request(*seeds: int, steps: int = 3) -> dict[str, Any]:
    return {
        "seed": list(seeds),
        "prompt": [PROMPTS[seed % len(PROMPTS)] for seed in seeds],
        "steps": [steps] * len(seeds),
        "guidance": [seed % 3 + 0.5 for seed in seeds],
    }


def ask(
    engine: Engine, inputs: dict[str, Any], options: Options | None = None, gone: bool = False
) -> Answers:
    answers = Answers(gone)
    engine.submit(answers.expect(inputs), answers, options)
    return answers


@pytest.fixture
def watched(flow_bundle: Path) -> Watched:
    return Watched(flow_bundle)


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[dict[str, Any], Options, bool]]:
    crowd = []
    seed = 0
    for _ in range(draw(st.integers(1, 8))):
        rows = draw(st.integers(1, 3))
        options = Options(draw(st.integers(0, 1)), preview_every=draw(st.integers(0, 2)))
        asked = request(*range(seed, seed + rows), steps=draw(st.integers(1, 6)))
        crowd.append((asked, options, draw(st.booleans()) and draw(st.booleans())))
        seed += rows
    return crowd


@settings(max_examples=25)
@given(crowd=crowds(), lanes=st.integers(1, 2), cap=st.integers(1, 5))
def test_every_row_is_answered_once_with_the_picture_of_a_whole_request(
    crowd: list[tuple[dict[str, Any], Options, bool]], lanes: int, cap: int, flow_bundle: Path
) -> None:
    watches = [Watched(flow_bundle) for _ in range(lanes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_flight, "FIRST_LOOK_SECONDS", 0.0)
        with Engine([one.runner for one in watches], cap) as engine:
            asked = [ask(engine, inputs, options, gone) for inputs, options, gone in crowd]
        counted = engine.statistics()
    whole = open_runner(flow_bundle)
    for answers, (inputs, _, gone) in zip(asked, crowd, strict=True):
        assert answers.endings == 1
        if not gone:
            assert_same_pictures(answers.result(), whole.run(inputs)["image"])
    for one in watches:
        assert max(one.moved, default=0) <= cap
        first = {seed: number for number, (inputs, _, _) in enumerate(crowd) for seed in inputs["seed"]}
        for level in (0, 1):
            order = [seed for seed in one.begun if crowd[first[seed]][1].priority == level]
            assert order == sorted(order)
    assert (counted.live, counted.waiting) == (0, 0)
    assert counted.requests == len(crowd)
    assert sum(len(answers.pictures) for answers in asked) == counted.pictures


def test_a_row_joins_while_another_is_under_way_and_overtakes_it(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=4) as engine:
        watched.may_step.clear()
        slow = ask(engine, request(1, steps=64))
        assert watched.stepping.wait(SECONDS)
        quick = ask(engine, request(2, steps=2))
        watched.may_step.set()
        quick.result()
        slow.result()
    assert watched.moved == [1] + 2 * [2] + 61 * [1]


@pytest.fixture
def held(flow_bundle: Path) -> list[Watched]:
    """Two lanes that are held before their first step."""
    watches = [Watched(flow_bundle) for _ in range(2)]
    for one in watches:
        one.may_step.clear()
    return watches


def test_lanes_share_rows_evenly_and_one_without_rows_takes_half_of_another(held: list[Watched]) -> None:
    inputs = request(*range(4))
    inputs["steps"] = [40, 40, 2, 2]
    with Engine([one.runner for one in held], live_rows=8) as engine:
        answers = ask(engine, inputs)
        assert all(one.stepping.wait(SECONDS) for one in held)
        assert [one.moved for one in held] == [[2], [2]]
        slow, quick = sorted(held, key=lambda one: 0 not in one.begun)
        quick.may_step.set()
        while engine.statistics().live > 2:  # until the quick lane has nothing left
            pass
        helped = threading.Event()
        quick.fails = lambda rows: helped.set() or False
        slow.fails = lambda rows: len(rows) == 1 and not helped.wait(SECONDS)
        slow.may_step.set()
        answers.result()
    assert slow.moved[1] == 1
    assert 1 in quick.moved


def test_what_is_urgent_is_admitted_first(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=1) as engine:
        watched.may_step.clear()
        asked = [ask(engine, request(1))]
        assert watched.stepping.wait(SECONDS)
        asked += [
            ask(engine, request(seed), Options(priority)) for seed, priority in ((2, 5), (3, 0), (4, 0))
        ]
        watched.may_step.set()
        for answers in asked:
            answers.result()
    assert watched.begun == [1, 3, 4, 2]


def test_a_full_queue_refuses_and_takes_more_when_there_is_room(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=1, queue_size=1) as engine:
        watched.may_step.clear()
        first = ask(engine, request(1))
        assert watched.stepping.wait(SECONDS)
        second = ask(engine, request(2))
        with pytest.raises(EndpointBusy, match="the queue is full: 1 requests wait"):
            ask(engine, request(3))
        watched.may_step.set()
        first.result()
        second.result()
        ask(engine, request(3)).result()
        assert engine.statistics().refused == 1


def test_a_request_that_runs_out_of_time_leaves_at_once(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=2) as engine:
        watched.may_step.clear()
        others = ask(engine, request(1))
        assert watched.stepping.wait(SECONDS)
        late = ask(engine, request(2, 3, 4, steps=64), Options(seconds=0.05))
        assert late.ended.wait(SECONDS)  # although no step ends
        assert isinstance(late.errors[0], DeadlineExceeded)
        assert engine.statistics().waiting == 0
        watched.may_step.set()
        others.result()
    assert engine.statistics().expired == 1
    assert watched.begun == [1]


def test_a_request_that_waits_too_long_in_the_queue_is_refused(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=1) as engine:
        watched.may_step.clear()
        live = ask(engine, request(1))
        assert watched.stepping.wait(SECONDS)
        waiting = ask(engine, request(2), Options(queue_seconds=0.05))
        assert waiting.ended.wait(SECONDS)
        assert isinstance(waiting.errors[0], EndpointBusy)
        watched.may_step.set()
        live.result()


def test_rows_of_a_client_that_is_gone_leave(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "FIRST_LOOK_SECONDS", 0.0)
    with Engine([watched.runner], live_rows=2) as engine:
        watched.may_step.clear()
        gone = ask(engine, request(1, 2, 3, steps=64))
        assert watched.stepping.wait(SECONDS)
        gone.gone = True
        assert gone.ended.wait(SECONDS)
        watched.may_step.set()
        ask(engine, request(4)).result()
    counted = engine.statistics()
    assert (counted.gone, counted.pictures) == (1, 1)
    assert len(watched.moved) < 64
    assert not gone.pictures


def test_previews_come_every_few_steps_and_do_not_change_the_picture(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=4) as engine:
        inputs = request(5, 6, steps=7)
        plain = ask(engine, inputs).result()
        shown = ask(engine, inputs, Options(preview_every=3))
        assert_same_pictures(shown.result(), plain)
    assert sorted(shown.previews) == [(0, 3), (0, 6), (1, 3), (1, 6)]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_row_that_the_runtime_fails_on_harms_no_other(lanes: int, flow_bundle: Path) -> None:
    watches = [Watched(flow_bundle) for _ in range(lanes)]
    for one in watches:
        one.fails = lambda rows: 9 in rows.guidance
    with Engine([one.runner for one in watches], live_rows=8) as engine:
        bad = [{**request(seed), "guidance": [9.0]} for seed in (10, 11)]
        asked = [ask(engine, inputs) for inputs in (request(1), bad[0], request(2, 3), bad[1], request(4))]
        for place in (0, 2, 4):
            asked[place].result()
        for place in (1, 3):
            assert asked[place].ended.wait(SECONDS)
            assert "the runtime failed" in str(asked[place].errors[0])
        assert engine.statistics().failed == 2


def test_an_unforeseen_error_ends_the_rows_and_not_the_engine(watched: Watched) -> None:
    broken = [True]

    def fails(rows: Rows) -> bool:
        if broken:
            raise MemoryError("no memory")
        return False

    watched.fails = fails
    with Engine([watched.runner], live_rows=2) as engine:
        lost = ask(engine, request(1, 2, 3))
        assert lost.ended.wait(SECONDS)
        assert "MemoryError" in str(lost.errors[0])
        broken.clear()
        ask(engine, request(4)).result()


def test_a_prompt_that_cannot_be_begun_harms_no_other(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = watched.runner.begin

    def picky(inputs: Any) -> Rows:
        if 7 in inputs["seed"]:
            raise LithoError("the tokenizer failed")
        return begin(inputs)

    monkeypatch.setattr(watched.runner, "begin", picky)
    with Engine([watched.runner], live_rows=8) as engine:
        watched.may_step.clear()
        asked = [ask(engine, request(1))]
        assert watched.stepping.wait(SECONDS)
        asked += [ask(engine, request(seed)) for seed in (2, 7, 3)]
        watched.may_step.set()
        assert asked[2].ended.wait(SECONDS)
        assert "the tokenizer failed" in str(asked[2].errors[0])
        for place in (0, 1, 3):
            asked[place].result()


def test_a_reply_that_raises_harms_no_other(watched: Watched) -> None:
    class Broken(Answers):
        def picture(self, *args: Any, **keys: Any) -> None:
            raise OSError("the stream is closed")

    with Engine([watched.runner], live_rows=2) as engine:
        broken = Broken()
        engine.submit(broken.expect(request(1)), broken)
        ask(engine, request(2)).result()


def test_what_the_signature_does_not_allow_is_refused_at_once(watched: Watched) -> None:
    with Engine([watched.runner], live_rows=2) as engine:
        with pytest.raises(InvalidInput, match="'steps' was given value 0"):
            ask(engine, request(1, steps=0))
        with pytest.raises(InvalidInput, match="preview_every was given -1"):
            ask(engine, request(1), Options(preview_every=-1))
        assert engine.statistics().requests == 0


@pytest.mark.parametrize("drain", [True, False])
def test_closing_finishes_or_fails_what_is_open_and_refuses_more(drain: bool, watched: Watched) -> None:
    engine = Engine([watched.runner], live_rows=1, queue_size=None)
    watched.may_step.clear()
    asked = [ask(engine, request(seed)) for seed in range(4)]
    assert watched.stepping.wait(SECONDS)
    closing = threading.Thread(target=engine.close, kwargs={"drain": drain})
    closing.start()
    refused = False
    while not refused:
        with suppress(EndpointUnavailable):
            asked.append(ask(engine, request(9)))
            closing.join(0.01)  # it waits for what is open
            continue
        refused = True
    watched.may_step.set()
    closing.join(SECONDS)
    assert not closing.is_alive()
    engine.close()
    assert all(answers.endings == 1 for answers in asked)
    assert {bool(answers.errors) for answers in asked} == {not drain}
