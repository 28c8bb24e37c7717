"""A socket that never blocks, plain or with TLS."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from select import EPOLLIN, EPOLLOUT
from typing import Any

from .loop import Waiter

__all__ = ["Connection", "Tls", "connect"]

_BUFFER = 1 << 18


class Tls:
    """Certificates of a TLS connection.

    Args:
        host: whose certificate is expected.
        protocol: that is spoken inside, such as "h2".
        ca, certificate, private_key: PEM files; None for those of the system, or for none.
    """

    def __init__(
        self,
        host: str,
        protocol: str,
        ca: str | None = None,
        certificate: str | None = None,
        private_key: str | None = None,
    ) -> None:
        import ssl

        self._host = host
        self._context = ssl.create_default_context(cafile=ca)
        self._context.set_alpn_protocols([protocol])
        if certificate is not None:
            self._context.load_cert_chain(certificate, private_key)

    def wrap(self, plain: socket.socket) -> socket.socket:
        """Shake hands."""
        return self._context.wrap_socket(plain, server_hostname=self._host)


def connect(host: str, port: int, tls: Tls | None, timeout: float = 10.0) -> socket.socket:
    """Open a connection.

    Raises:
        OSError: the server cannot be reached, or TLS failed.
    """
    opened = socket.create_connection((host, port), timeout)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        opened = tls.wrap(opened)
    opened.setblocking(False)
    return opened


class Connection(ABC):
    """What comes in stands in `buffer` between `start` and `end`; what the socket does not take yet waits.

    A subclass has `received`, which looks at the buffer and moves `start`, and `lost`.

    Args:
        opened: see `connect`.
        waiter: calls when the socket is ready.
    """

    def __init__(self, opened: socket.socket, waiter: Waiter) -> None:
        self._socket, self._waiter = opened, waiter
        self._descriptor = opened.fileno()
        self._secure = hasattr(opened, "pending")
        self._recv, self._send = opened.recv_into, opened.send
        self.buffer = bytearray(_BUFFER)
        self.view = memoryview(self.buffer)
        self.start = self.end = 0
        self._unsent = b""
        waiter.watch(self._descriptor, self._ready, EPOLLIN)

    @abstractmethod
    def received(self) -> None:
        """Take what has come."""

    @abstractmethod
    def lost(self, reason: str) -> None:
        """The connection is gone."""

    def close(self) -> None:
        """Close the socket."""
        self._waiter.forget(self._descriptor)
        self._socket.close()

    def write(self, content: bytes) -> None:
        """Send, now or when the socket takes it."""
        if self._unsent:
            self._unsent += content
            return
        try:
            sent = self._send(content)
        except OSError as error:
            if not _would_block(error):
                reason = _words(error)
                self._waiter.later(0.0, lambda: self.lost(reason))
                return
            sent = 0
        if sent < len(content):
            self._unsent = content[sent:]
            self._waiter.watch(self._descriptor, self._ready, EPOLLIN | EPOLLOUT)

    def room(self, size: int) -> None:
        """Make room for so many more bytes behind `end`."""
        if self.start:
            left = self.end - self.start
            self.view[:left] = bytes(self.view[self.start : self.end])
            self.start, self.end = 0, left
        if len(self.buffer) - self.end < size:
            larger = bytearray(2 * (self.end + size))
            larger[: self.end] = self.view[: self.end]
            self.view.release()
            self.buffer, self.view = larger, memoryview(larger)

    def _ready(self, events: int) -> None:
        if events & EPOLLOUT:
            self._waiter.watch(self._descriptor, self._ready, EPOLLIN)
            unsent, self._unsent = self._unsent, b""
            self.write(unsent)
        if not events & ~EPOLLOUT:
            return
        while True:
            if self.start == self.end:
                self.start = self.end = 0
            elif len(self.buffer) - self.end < 1 << 14:
                self.room(_BUFFER // 2)
            try:
                count = self._recv(self.view[self.end :])
            except OSError as error:
                if not _would_block(error):
                    self.lost(_words(error))
                return
            if not count:
                self.lost("the server closed the connection")
                return
            self.end += count
            self.received()
            # TLS keeps what it has deciphered, which epoll does not see.
            if not self._secure or self._socket.fileno() < 0:
                return


def _would_block(error: Any) -> bool:
    return isinstance(error, BlockingIOError) or type(error).__name__ in {
        "SSLWantReadError",
        "SSLWantWriteError",
    }


def _words(error: OSError) -> str:
    return f"the connection failed: {error.strerror or error}"
