import numpy as np
import pytest

from litho.benchmarks.load.generator import Kind, Plan, Site, drive
from litho.errors import EndpointError

from .....planted_triton import SIGNATURE


def sent(planted, seconds=0.2, ended=0, **plan):
    site = Site(SIGNATURE, planted.http, "planted", transport="http")
    given = {"in_flight": 3, **plan}
    return drive(Plan([Kind(SIGNATURE.example(2))], **given), site, seconds, ended)


def test_answers_that_come_in_pieces_are_put_together(planted_triton):
    planted = planted_triton(pieces=7)
    outcomes = sent(planted)
    assert not outcomes.errors
    assert outcomes.answered.sum() == planted.asked >= 3


def test_a_connection_that_the_server_closes_is_opened_again(planted_triton):
    planted = planted_triton(close_every=10)
    outcomes = sent(planted, seconds=0.5, ended=30)
    # It closes after it has answered: what was sent meanwhile is lost, and says so.
    assert planted.asked > 10
    assert all("connection" in message for message in outcomes.errors)
    assert outcomes.errors.total() <= planted.asked // 5


def test_a_picture_without_its_last_byte_is_a_failure(planted_triton):
    outcomes = sent(planted_triton(short=True), seconds=None, times=np.arange(5) / 100)
    assert list(outcomes.errors) == [
        "the answer has image of UINT8 [2, 4, 4, 1] and 31 bytes, not UINT8 of 2 pictures and 32 bytes"
    ]


def test_what_does_not_speak_tls_is_refused(planted_triton):
    planted = planted_triton()
    site = Site(SIGNATURE, planted.http, "planted", transport="http", secure=True)
    # It waits for the end of a line, which the first message of TLS has or has not.
    with pytest.raises(EndpointError, match=r"do not agree on TLS|handshake operation timed out"):
        drive(Plan([Kind(SIGNATURE.example(1))]), site, seconds=0.1)
