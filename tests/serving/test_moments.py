"""The time as logs and receipts give it."""

import re
from datetime import UTC, datetime, timedelta

from litho.serving.moments import now


def test_a_moment_lies_between_two_looks_at_the_clock() -> None:
    before = datetime.now(UTC)
    moments = [now() for _ in range(1000)]
    after = datetime.now(UTC)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in moments)
    assert moments == sorted(moments)
    first, last = (datetime.fromisoformat(moments[at]) for at in (0, -1))
    assert before - timedelta(milliseconds=1) <= first <= last <= after
