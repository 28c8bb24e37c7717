"""A TCP proxy whose connections break after so many bytes of answers."""

import contextlib
import socket
import threading
from collections.abc import Callable


class LossyProxy:
    """Forwards connections to a server.

    Attributes:
        host: where to connect to.
        most_bytes: of answers on one connection, after which it breaks; None for all.
        answered: bytes of answers so far.
    """

    def __init__(self, target: str) -> None:
        name, _, port = target.rpartition(":")
        self._target = (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.most_bytes: int | None = None
        self.answered = 0
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._run(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._forward, args=(server, client, True))
            back.start()
            self._forward(client, server, False)
            back.join()

    def _forward(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                most = self.most_bytes if answers else None
                part = data if most is None else data[: max(0, most - sent)]
                target.sendall(part)
                sent += len(part)
                self.answered += len(part) * answers
                if len(part) < len(data):
                    break
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
