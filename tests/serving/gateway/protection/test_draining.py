from litho.serving.gateway.protection.draining import Drain


def test_it_ends_with_the_last_request() -> None:
    drain, ended = Drain(), []
    for _ in range(2):
        drain.enter()
    drain.begin(lambda: ended.append(1))
    assert drain.draining
    drain.leave()
    assert not ended
    drain.leave()
    assert ended == [1]
    drain.enter()
    drain.leave()
    assert ended == [1]  # and only once


def test_without_requests_it_ends_at_once() -> None:
    ended: list[int] = []
    Drain().begin(lambda: ended.append(1))
    assert ended == [1]
