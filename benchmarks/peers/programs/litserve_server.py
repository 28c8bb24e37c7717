"""A graph served by LitServe: batching, a process for each worker, the messages of Triton's HTTP.

LitServe reads bodies as JSON only, so the values behind the JSON of a request are put into a small JSON object before
it sees them, which costs some microseconds. The JSON of an answer is always the same.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["RawBody", "main"]

_CLASS = "API"
_FORMATS = {"INT64": "q", "FP32": "f"}


def __getattr__(name: str) -> Any:
    # Worker processes look for the class here, by its name.
    if name != _CLASS:
        raise AttributeError(name)
    return globals().setdefault(name, _api(import_module("litserve")))


def main(plan: dict[str, Any]) -> None:
    """Serve until the process is ended.

    Args:
        plan: "graph", "output", "instances", "threads", "max_batch_size", "batch_timeout", "fast_queue",
            "api_servers", "port", "shape" of a picture, "dtypes": input name -> dtype.
    """
    litserve = import_module("litserve")
    made = getattr(sys.modules[__name__], _CLASS)
    api = made(
        plan,
        api_path="/v2/models/model/infer",
        max_batch_size=plan["max_batch_size"],
        batch_timeout=plan["batch_timeout"],
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=plan["instances"],
        fast_queue=plan["fast_queue"],
        timeout=False,
        middlewares=[(RawBody, {"dtypes": plan["dtypes"]})],
    )
    server.run(
        host="127.0.0.1",
        port=plan["port"],
        num_api_servers=plan["api_servers"],
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )


class RawBody:
    """ASGI: turns a request of Triton's HTTP into a JSON object of numbers.

    Args:
        app: what answers.
        dtypes: input name -> "INT64" or "FP32", in the order of the values.
    """

    def __init__(self, app: Any, dtypes: dict[str, str]) -> None:
        self._app, self._names = app, list(dtypes)
        self._values = struct.Struct("<" + "".join(_FORMATS[dtype] for dtype in dtypes.values()))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        values = self._values.unpack(body[len(body) - self._values.size :])
        content = json.dumps(dict(zip(self._names, values, strict=True))).encode()
        parts = [{"type": "http.request", "body": content, "more_body": False}]

        async def given() -> Any:
            return parts.pop() if parts else await receive()

        await self._app(scope, given, send)


def _api(litserve: Any) -> Any:
    import numpy as np

    response = import_module("starlette.responses").Response

    class API(litserve.LitAPI):
        """One graph."""

        def __init__(self, plan: dict[str, Any], **options: Any) -> None:
            super().__init__(**options)
            self._plan = plan
            tensor = {"name": plan["output"], "datatype": "UINT8", "shape": [1, *plan["shape"]]}
            tensor["parameters"] = {"binary_data_size": math.prod(plan["shape"])}
            self._words = json.dumps({"model_name": "model", "outputs": [tensor]}).encode()
            self._headers = {"inference-header-content-length": str(len(self._words))}

        def setup(self, device: str) -> None:
            session = import_module("session")
            self._session = session.open_session(self._plan["graph"], self._plan["threads"])
            self._dtypes = session.dtypes(self._session)

        def batch(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            return {
                name: np.array([one[name] for one in inputs], dtype) for name, dtype in self._dtypes.items()
            }

        def predict(self, x: dict[str, Any]) -> Any:
            return self._session.run([self._plan["output"]], x)[0]

        def unbatch(self, output: Any) -> list[Any]:
            return list(output)

        def encode_response(self, output: Any) -> Any:
            return response(self._words + output.tobytes(), headers=self._headers)

    API.__qualname__ = _CLASS
    return API


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
