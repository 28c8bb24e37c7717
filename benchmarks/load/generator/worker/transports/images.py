"""OpenAI's images API, as litho's gateway speaks it: pictures come as Base64 in JSON, and are only counted."""

from __future__ import annotations

from typing import Any

from . import http

__all__ = ["Transport"]


class Transport(http.Transport):
    """Sends each request on a connection that waits for nothing; picked requests are not for it."""

    def judged(self, connection: Any, number: int, body: bytes, words: int) -> str | None:
        """What is wrong with the body of an answer with status 200; None if nothing is."""
        del number, words
        expected, found = connection.message.rows, body.count(b'"b64_json"')
        if found == expected and body.endswith(b"}"):
            return None
        return f"the answer has {found} pictures, not {expected}: {body[:100].decode(errors='replace')}"
