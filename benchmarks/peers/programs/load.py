"""Keeps requests in flight over HTTP/1.1, and notes when each was answered. One process, the standard library only.

Requests are whole messages, made beforehand. The picture is the end of an answer's body.
"""

from __future__ import annotations

import gc
import json
import selectors
import socket
import sys
import time
from array import array
from pathlib import Path
from typing import Any

__all__ = ["main"]

_TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 18


class _Connection:
    """One connection: one request at a time.

    Args:
        address: of the server.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, _TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer, self._had, self._wanted = bytearray(_CHUNK), 0, 0
        self.number, self.began, self.head = 0, 0.0, 0

    def send(self, number: int, message: bytes) -> None:
        """Send a request."""
        self.number, self._had, self._wanted, self.head = number, 0, 0, 0
        self.began = time.perf_counter()
        self.socket.sendall(message)

    def receive(self) -> bool:
        """Take what has arrived; whether the answer is complete."""
        if self._had == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        count = self.socket.recv_into(memoryview(self._buffer)[self._had :])
        if not count:
            raise ConnectionError("the server closed the connection")
        self._had += count
        if not self._wanted:
            end = self._buffer.find(b"\r\n\r\n", 0, self._had)
            if end < 0:
                return False
            self.head = end + 4
            self._wanted = self.head + _content_length(bytes(self._buffer[:end]))
        return self._had >= self._wanted

    def picture(self, size: int) -> bytes | None:
        """The end of the body; None if the status is not 200 or the body is too short."""
        if self._buffer[9:12] != b"200" or self._wanted - self.head < size:
            return None
        return bytes(self._buffer[self._wanted - size : self._wanted])

    def words(self) -> str:
        """The first words of an answer that is no picture."""
        return bytes(self._buffer[: min(self._wanted, 400)]).decode(errors="replace")


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ConnectionError("an answer without Content-Length")


def main(plan: dict[str, Any]) -> None:
    """Keep the load up and write what became of it.

    Args:
        plan: "host", "port", "connections", "warm_seconds", "seconds", "lengths" of the messages in the file
            "messages", "size" of a picture in bytes, "keep" how many pictures, "output" a file for the facts.
    """
    content, messages, place = Path(plan["messages"]).read_bytes(), [], 0
    for length in plan["lengths"]:
        messages.append(content[place : place + length])
        place += length
    selector = selectors.DefaultSelector()
    for _ in range(plan["connections"]):
        connection = _Connection((plan["host"], plan["port"]))
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    gc.disable()
    facts = _run(plan, selector, messages)
    Path(plan["output"]).write_bytes(facts.pop("kept"))
    print(json.dumps(facts))


def _run(plan: dict[str, Any], selector: selectors.DefaultSelector, messages: list[bytes]) -> dict[str, Any]:
    size, keep, count = plan["size"], plan["keep"], 0
    began, ended, failed, numbers = array("d"), array("d"), 0, []
    kept, said = bytearray(), ""
    now = time.perf_counter
    for key in list(selector.get_map().values()):
        key.data.send(count % len(messages), messages[count % len(messages)])
        count += 1
    start = now() + plan["warm_seconds"]
    end = start + plan["seconds"]
    cpu = 0.0
    while (moment := now()) < end:
        ready = selector.select(_TIMEOUT_SECONDS)
        if not ready:
            raise TimeoutError(f"no answer in {_TIMEOUT_SECONDS:.0f} seconds")
        for key, _ in ready:
            connection: _Connection = key.data
            if not connection.receive():
                continue
            moment = now()
            picture = connection.picture(size)
            if start <= moment < end:
                cpu = cpu or time.process_time()
                if picture is None:
                    failed, said = failed + 1, said or connection.words()
                else:
                    began.append(connection.began - start)
                    ended.append(moment - start)
                    if len(numbers) < keep:
                        numbers.append(connection.number)
                        kept += picture
            connection.send(count % len(messages), messages[count % len(messages)])
            count += 1
    waiting = [key.data.began - start for key in selector.get_map().values()]
    return {
        "began": list(began),
        "ended": list(ended),
        "waiting": waiting,
        "failed": failed,
        "said": said,
        "numbers": numbers,
        "kept": bytes(kept),
        "cpu_seconds": time.process_time() - cpu,
    }


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
