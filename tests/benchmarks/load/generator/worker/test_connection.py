import contextlib
import socket
import time

import pytest

from litho.benchmarks.load.generator import Kind, Picks, Plan, Site, drive
from litho.benchmarks.load.generator.worker.connection import Connection, connect
from litho.benchmarks.load.generator.worker.loop import Waiter
from litho.errors import EndpointError
from litho.runners._channel import Access

from .....papers import make_papers
from ....planted_triton import SIGNATURE, painted


def site(planted, transport, trusted):
    address = planted.http if transport == "http" else planted.address
    return Site(SIGNATURE, address, "planted", transport=transport, secure=True, access=Access(ca=trusted.ca))


class Taker(Connection):
    """Takes messages of 100,000 bytes."""

    def __init__(self, opened, waiter):
        super().__init__(opened, waiter)
        self.taken, self.reason = [], None

    def received(self):
        while self.end - self.start >= 100_000:
            self.taken.append(bytes(self.view[self.start : self.start + 100_000]))
            self.start += 100_000

    def lost(self, reason):
        self.reason = reason
        self.close()


def until(waiter, reached):
    end = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < end
        waiter.turn(time.perf_counter() + 0.01)


def test_more_than_a_socket_takes_comes_whole_and_in_order():
    waiter = Waiter()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Taker(connect(*server.getsockname(), None), waiter)
        peer = server.accept()[0]
        with peer:
            peer.setblocking(False)
            sent = b"".join(bytes([number]) * 100_000 for number in range(60))
            connection.write(sent[:3_000_000])
            connection.write(sent[3_000_000:])
            came = bytearray()

            def read():
                with contextlib.suppress(BlockingIOError):
                    came.extend(peer.recv(1 << 20))
                return len(came) == len(sent)

            until(waiter, read)
            assert bytes(came) == sent
            peer.setblocking(True)
            for start in range(0, len(sent), 150_000):
                peer.sendall(sent[start : start + 150_000])
                until(waiter, lambda want=(start + 150_000) // 100_000: len(connection.taken) >= want)
            assert b"".join(connection.taken) == sent
            assert connection.reason is None
        until(waiter, lambda: connection.reason)
        assert "closed" in connection.reason


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    return {
        "right": make_papers(folder / "right"),
        "expired": make_papers(folder / "expired", days=-1),
        "another host": make_papers(folder / "host", host="127.0.0.9"),
    }


@pytest.mark.parametrize("transport", ["grpc", "http", "streamed"])
def test_pictures_come_through_tls(planted_triton, papers, transport):
    planted = planted_triton(papers=papers["right"], decoupled=transport == "streamed")
    inputs = SIGNATURE.example(60, seed=3)
    picks = Picks(2, [Kind(inputs)])
    plan = Plan([Kind(inputs)], in_flight=3, picks=picks)
    outcomes = drive(plan, site(planted, transport, papers["right"]), 0.1, ended=6)
    assert not outcomes.errors
    assert outcomes.picked
    right = painted(inputs["seed"]).tobytes()
    assert all(bytes(one.pictures) == right for one in outcomes.picked)


@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize(
    ("served", "trusted", "reason"),
    [
        ("right", "expired", "self-signed certificate|unable to get local issuer|signature"),
        ("expired", "expired", "certificate has expired"),
        ("another host", "another host", r"IP address mismatch|not valid for '127\.0\.0\.1'"),
    ],
)
def test_a_certificate_that_is_not_right_is_named_in_one_line(
    planted_triton, papers, transport, served, trusted, reason
):
    planted = planted_triton(papers=papers[served])
    with pytest.raises(EndpointError, match=rf"do not agree on TLS \(.*({reason})") as caught:
        drive(Plan([Kind(SIGNATURE.example(1))]), site(planted, transport, papers[trusted]), seconds=1)
    assert "\n" not in str(caught.value)
    assert planted.asked == 0
