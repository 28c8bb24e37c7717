import time

import pytest

from .conftest import Make


@pytest.mark.parametrize(("given", "seconds"), [(None, 30), ("2.5", 2.5), ("0.001", 0.001), ("99999", 30)])
def test_a_client_may_ask_for_less(guarded: Make, given: str | None, seconds: float) -> None:
    app = guarded("deadlines", timeout_seconds=30)
    app.ask(headers={} if given is None else {"X-Deadline-Seconds": given})
    assert app.seen[0]["deadline_seconds"] == seconds
    assert 0 < app.seen[0]["deadline"] - time.monotonic() + 10 <= seconds + 10


@pytest.mark.parametrize("given", ["0", "0.0", "-1", "nan", "inf", "1e9", "", "soon", "1" * 400])
def test_what_is_no_time_is_refused(guarded: Make, given: str) -> None:
    answer = guarded("deadlines").ask(headers={"x-deadline-seconds": given})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "x-deadline-seconds"
