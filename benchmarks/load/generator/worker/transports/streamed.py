"""gRPC, one stream for each request: for models that answer picture by picture."""

from __future__ import annotations

from ..calls import Call
from ..protobuf import fields, read_answer
from . import grpc

__all__ = ["Transport"]


class _Rows:
    """What has come of a streamed answer.

    Attributes:
        pictures: row -> finished picture.
        error: that the server gave in a message; None for none.
    """

    __slots__ = ("error", "pictures")

    def __init__(self) -> None:
        self.pictures: dict[int, bytes] = {}
        self.error: str | None = None


class Transport(grpc.Transport):
    """Calls `ModelStreamInfer`, with one request in each stream."""

    def data(self, call: Call, moment: float) -> None:
        """Take all whole messages of a stream."""
        content = bytes(call.content)
        position = 0
        if call.progress is None:
            call.progress = _Rows()
        while len(content) - position >= 5:
            after = position + 5 + int.from_bytes(content[position + 1 : position + 5], "big")
            if after > len(content):
                break
            self._take(call, content[position + 5 : after], moment)
            position = after
        call.content = content[position:]

    def _take(self, call: Call, content: bytes, moment: float) -> None:
        rows = call.progress
        try:
            for number, value in fields(content):
                if number == 1 and isinstance(value, bytes):
                    rows.error = value.decode(errors="replace")
                elif number == 2 and isinstance(value, bytes):
                    self._add(call, value, moment)
        except (ValueError, KeyError, IndexError):
            rows.error = "the answer is not one of the model's"

    def _add(self, call: Call, content: bytes, moment: float) -> None:
        outputs = read_answer(content).outputs
        if self.plan.output not in outputs:  # the message that only ends the stream
            return
        _, shape, values = outputs[self.plan.output]
        self.loop.preview(call.number, moment)
        count = shape[0]
        size = len(values) // count
        named = _integers(outputs["row"][2]) if "row" in outputs else range(count)
        for index, row in enumerate(named):
            # A preview of a row comes before its picture, which replaces it.
            call.progress.pictures[row] = values[index * size : (index + 1) * size]

    def _judged(self, call: Call) -> str | None:
        rows: _Rows = call.progress or _Rows()
        if rows.error:
            return rows.error
        wanted = call.message.rows
        pictures = [rows.pictures.get(row, b"") for row in range(wanted)]
        size = sum(map(len, pictures))
        if size != call.message.answer_bytes or not all(pictures):
            return (
                f"the stream ended with {sum(map(bool, pictures))} of {wanted} pictures and {size} of"
                f" {call.message.answer_bytes} bytes"
            )
        if call.picked >= 0:
            self.loop.keep(call.number, call.picked, b"".join(pictures))
        return None


def _integers(content: bytes) -> memoryview:
    return memoryview(content).cast("q")
