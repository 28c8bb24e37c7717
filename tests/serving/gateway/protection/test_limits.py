import pytest
from hypothesis import given, strategies as st

from litho.serving.gateway.protection import limits
from litho.serving.gateway.protection.limits import Concurrency, Rate, Refused


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minutes_allowance_comes_at_once_and_then_one_by_one(clock: Clock) -> None:
    rate = Rate("requests", clock)
    assert [rate.take("a", 30) for _ in range(30)] == [None] * 30
    refused = rate.take("a", 30)
    assert refused == Refused("requests", 30, pytest.approx(2.0))
    assert refused.retry_after == "2"
    assert rate.take("b", 30) is None
    clock.seconds += refused.wait_seconds
    assert rate.take("a", 30) is None
    assert rate.take("a", 30) is not None
    clock.seconds += 3600
    assert [rate.take("a", 30) for _ in range(31)].count(None) == 30


def test_a_refused_request_costs_nothing_and_pictures_count_each(clock: Clock) -> None:
    rate = Rate("pictures", clock)
    assert rate.take("a", 10, 8) is None
    for _ in range(5):
        refused = rate.take("a", 10, 4)
        assert refused is not None
        assert refused.wait_seconds == pytest.approx(12.0)
    assert rate.take("a", 10, 2) is None
    never = rate.take("b", 10, 11)
    assert never is not None
    assert never.retry_after == "60"


@given(st.integers(1, 200), st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=60))
def test_never_more_than_two_allowances_in_a_minute_and_the_wait_is_exact(
    per_minute: int, asked: list[tuple[float, int]]
) -> None:
    clock = Clock()
    rate = Rate("requests", clock)
    taken: list[tuple[float, int]] = []
    for wait, count in asked:
        clock.seconds += wait
        refused = rate.take("a", per_minute, count)
        if refused is None:
            taken.append((clock.seconds, count))
        elif count <= per_minute:
            now = clock.seconds
            clock.seconds = now + refused.wait_seconds * 0.9
            assert rate.take("a", per_minute, count) is not None
            clock.seconds = now + refused.wait_seconds + 1e-6
            assert rate.take("a", per_minute, count) is None
            taken.append((clock.seconds, count))
    for begin, _ in taken:
        window = sum(count for at, count in taken if begin <= at < begin + 60)
        assert window <= 2 * per_minute


def test_clients_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    rate = Rate("requests", clock)
    for number in range(8):
        rate.take(f"old{number}", 60)
    clock.seconds += 30
    for number in range(30):
        assert rate.take(f"new{number}", 1) is None
        assert len(rate._full_at) <= 10
    assert rate.take("new29", 1) is not None  # whoever came last is remembered


def test_so_many_at_a_time() -> None:
    concurrency = Concurrency()
    assert [concurrency.enter("a", 2) for _ in range(3)] == [None, None, Refused("concurrency", 2, 1.0)]
    assert concurrency.enter("b", 1) is None
    assert concurrency.total == 3
    concurrency.leave("a")
    assert concurrency.enter("a", 2) is None
    for client in ("a", "a", "b"):
        concurrency.leave(client)
    assert concurrency.total == 0
    assert not concurrency._running
