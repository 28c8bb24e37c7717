"""A graph served by LitServe: batching, a process for each worker, pictures as raw bytes."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]

_CLASS = "API"


def __getattr__(name: str) -> Any:
    # Worker processes look for the class here, by its name.
    if name != _CLASS:
        raise AttributeError(name)
    return globals().setdefault(name, _api(import_module("litserve")))


def main(plan: dict[str, Any]) -> None:
    """Serve until the process is ended.

    Args:
        plan: "graph", "output", "instances", "threads", "max_batch_size", "batch_timeout", "fast_queue",
            "api_servers", "port".
    """
    litserve = import_module("litserve")
    made = getattr(sys.modules[__name__], _CLASS)
    api = made(plan, max_batch_size=plan["max_batch_size"], batch_timeout=plan["batch_timeout"])
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=plan["instances"],
        fast_queue=plan["fast_queue"],
        timeout=False,
    )
    server.run(
        host="127.0.0.1",
        port=plan["port"],
        num_api_servers=plan["api_servers"],
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )


def _api(litserve: Any) -> Any:
    import numpy as np

    response = import_module("starlette.responses").Response

    class API(litserve.LitAPI):
        """One graph: a JSON object of numbers in, the bytes of a picture out."""

        def __init__(self, plan: dict[str, Any], **options: Any) -> None:
            super().__init__(**options)
            self._plan = plan

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
            return response(output.tobytes(), media_type="application/octet-stream")

    API.__qualname__ = _CLASS
    return API


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
