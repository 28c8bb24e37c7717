from litho.serving.server.backoff import Attempts, Backoff


def test_delays_double_up_to_a_limit_and_start_again() -> None:
    backoff = Backoff(first_seconds=1.0, longest_seconds=5.0)
    delays = [backoff.next() for _ in range(6)]
    for delay, plain in zip(delays, (1, 2, 4, 5, 5, 5), strict=True):
        assert 0.8 * plain <= delay <= 1.2 * plain
    backoff.reset()
    assert backoff.next() <= 1.2


def test_two_servers_do_not_come_back_at_the_same_moment() -> None:
    assert len({Backoff(1.0, 5.0).next() for _ in range(20)}) > 1


def test_attempts_are_counted_in_a_window() -> None:
    now = 0.0
    attempts = Attempts(2, 10.0, clock=lambda: now)
    assert attempts.allow()
    now = 5.0
    assert attempts.allow()
    assert not attempts.allow()
    assert attempts.count == 2
    now = 10.5
    assert attempts.allow()
    assert not attempts.allow()
    assert not Attempts(0, 10.0).allow()
