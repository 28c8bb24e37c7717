import contextlib
import socket
import time

from litho.benchmarks.load.generator.worker.connection import Connection, connect
from litho.benchmarks.load.generator.worker.loop import Waiter


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
    end = time.monotonic() + 20
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
