import numpy as np
import pytest

from litho.benchmarks.load.generator import Kind, Plan, Site, drive
from litho.runners.triton import Access

from .....planted_triton import SIGNATURE


def sent(planted, seconds=0.2, access=None, ended=0, **plan):
    site = Site(SIGNATURE, planted.address, "planted", access=access or Access())
    given = {"in_flight": 3, **plan}
    return drive(Plan([Kind(SIGNATURE.example(2))], **given), site, seconds, ended)


def test_every_call_has_the_headers_of_the_access(planted_triton):
    planted = planted_triton()
    outcomes = sent(planted, access=Access(api_key="s3cret", headers={"x-team": "ink"}), in_flight=8, ended=8)
    assert not outcomes.errors
    assert len(planted.headers) > 8
    for headers in planted.headers:
        assert headers["authorization"] == "Bearer s3cret"
        assert headers["x-team"] == "ink"
        assert headers["triton_grpc_error"] == "true"


def test_a_picture_without_its_last_byte_is_a_failure(planted_triton):
    outcomes = sent(planted_triton(short=True), seconds=None, times=np.arange(5) / 100)
    assert list(outcomes.errors) == [
        "the answer has image of UINT8 [2, 4, 4, 1] and 31 bytes, not UINT8 of 2 pictures and 32 bytes"
    ]


def test_calls_of_a_server_that_ends_fail_and_are_not_repeated_without_a_pause(planted_triton):
    planted = planted_triton(seconds=0.01)
    site = Site(SIGNATURE, planted.address, "planted")
    from litho.benchmarks.load.generator import Running

    with Running(Plan([Kind(SIGNATURE.example(1))], in_flight=4), site) as running:
        running.begin()
        running.wait(0.1, ended=4)
        planted.close()
        before, closed = running.ended, running.now
        open_for = running.wait(0.5, ended=4) - closed
        # Each of the four places waits 0.1 s after a failure.
        assert running.ended - before <= 4 * (open_for / 0.1 + 2)
        outcomes = running.end()
    assert outcomes.answered.any()
    assert outcomes.errors.total() >= 4


def test_an_http_server_is_not_taken_for_one_of_grpc(planted_triton):
    planted = planted_triton()
    site = Site(SIGNATURE, planted.http, "planted")
    with pytest.raises(Exception, match="does not speak gRPC there"):
        drive(Plan([Kind(SIGNATURE.example(1))]), site, seconds=0.1)
