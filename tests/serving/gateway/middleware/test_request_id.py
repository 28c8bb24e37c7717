import re

import pytest

from .conftest import Make


def test_every_request_has_an_id_of_its_own(guarded: Make) -> None:
    app = guarded("request_id")
    ids = [app.ask().headers["x-request-id"] for _ in range(3)]
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", id) for id in ids)
    assert len(set(ids)) == 3
    assert [state["request_id"] for state in app.seen] == ids


def test_a_harmless_id_of_the_client_is_kept(guarded: Make) -> None:
    assert (
        guarded("request_id").ask(headers={"X-Request-Id": "job-17.a_B"}).headers["x-request-id"]
        == "job-17.a_B"
    )


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", "é", '{"a"}', "a,b"])
def test_another_is_replaced(guarded: Make, given: str) -> None:
    answer = guarded("request_id").ask(headers=[(b"x-request-id", given.encode())])
    assert answer.headers["x-request-id"].startswith("req_")
