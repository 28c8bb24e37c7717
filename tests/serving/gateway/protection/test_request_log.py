import io
import json
import logging
import threading

import pytest

from litho.serving.gateway.protection import request_log
from litho.serving.gateway.protection.request_log import RequestLog, where_of
from litho.serving.server.events import Event


class Stalled(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.release.wait(30)
        return super().write(text)


def test_events_are_written_in_order_as_text_or_json() -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        log = RequestLog(stream, form)
        for number in range(100):
            log(Event("request", f"number {number}"))
        log.close()
        lines = stream.getvalue().splitlines()
        assert [f"number {number}" in line for number, line in enumerate(lines)] == [True] * 100
        if form == "json":
            assert json.loads(lines[0])["message"] == "number 0"
        log(Event("request", "later"))
        log.close()
        assert "later" in stream.getvalue()


def test_a_reader_who_does_not_read_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MOST_WAITING", 5)
    stream = Stalled()
    log = RequestLog(stream)
    log(Event("request", "first"))
    assert stream.entered.wait(30)
    for _ in range(20):
        log(Event("request", "next"))
    assert log.lost == 15
    stream.release.set()
    log.close(30)
    assert len(stream.getvalue().splitlines()) == 6


@pytest.mark.parametrize(("level", "count"), [("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_matters_is_written(level: request_log.Level, count: int) -> None:
    stream = io.StringIO()
    log = RequestLog(stream, level=level)
    for one in ("info", "warning", "error"):
        log(Event("request", "message", one))
    log.close()
    assert len(stream.getvalue().splitlines()) == count


def test_what_libraries_say_holds_no_data_of_clients() -> None:
    stream = io.StringIO()
    log = RequestLog(stream, "json")
    logger = logging.Logger("library")
    logger.addHandler(log.handler())
    logger.warning("Invalid request: %s", "a secret prompt")
    logger.info("quiet")
    try:
        raise ValueError("a secret prompt")
    except ValueError:
        logger.exception("Exception in application\n")
    log.close()
    warning, error = map(json.loads, stream.getvalue().splitlines())
    assert "secret" not in stream.getvalue()
    assert warning["message"] == "Invalid request: %s"
    assert error["cause"].startswith("ValueError at test_request_log.py:")
    assert (warning["level"], error["level"]) == ("warning", "error")


def test_an_error_that_was_never_raised_is_nowhere() -> None:
    assert where_of(ValueError()) == ""
