"""One request and its answer: what is written and read in parts, and when waiting ends."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from litho.runners._exchange import Doing, Exchange, Limits

NOBODY = 2**22 + 1
"""Number of no process: the largest one of Linux is smaller."""

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    own, other = socket.socketpair()
    with own, other:
        own.settimeout(0.02)
        yield own, other


def test_a_large_message_passes_in_parts(pair: Pair) -> None:
    own, other = pair
    content = os.urandom(3_000_000)
    exchange = Exchange(os.getpid(), own, 60, 60)

    def answer() -> None:
        echoed = bytearray()
        while len(echoed) < len(content):
            echoed += other.recv(1 << 16)
        other.sendall(echoed)

    thread = threading.Thread(target=answer)
    thread.start()
    exchange.write(content)
    assert exchange.read(len(content)) == content
    thread.join()
    assert exchange.read(0) == b""


def test_a_closed_channel_is_the_end(pair: Pair) -> None:
    own, other = pair
    other.sendall(b"abc")
    other.close()
    exchange = Exchange(os.getpid(), own, 60, 60)
    assert exchange.read(2) == b"ab"
    with pytest.raises(EOFError):
        exchange.read(2)


@pytest.mark.parametrize("what", ["read", "write"])
def test_waiting_ends_at_the_limit(pair: Pair, what: str) -> None:
    exchange = Exchange(NOBODY, pair[0], 3, 1)  # of an unknown process nobody can say that it is idle
    with pytest.raises(TimeoutError, match="no answer for 3 s"):
        exchange.read(1) if what == "read" else exchange.write(bytes(10_000_000))


def test_waiting_ends_when_the_process_computes_nothing(pair: Pair) -> None:
    with subprocess.Popen(["sleep", "600"]) as idle:
        with pytest.raises(TimeoutError, match="it computed nothing for 20 s"):
            Exchange(idle.pid, pair[0], 10_000, 20).read(1)
        idle.kill()


def test_the_limit_grows_with_the_work() -> None:
    limits = Limits()
    assert Doing("x", "opened the graph").limit_s(limits) == 300
    assert Doing("x", "opened the graph", mebibytes=100).limit_s(limits) == 500
    assert Doing("x", "ran a batch of 64", rows=64).limit_s(limits) == 300 + 64 * 60
    assert Doing("x", "ran").idle_s(limits) == 120
    assert Doing("x", "ran", "cuda:1").idle_s(limits) == float("inf")
