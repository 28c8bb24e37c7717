"""A graph served by PyTriton: dynamic batching, one function for each instance. Runs in PyTriton's environment."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(plan: dict[str, Any]) -> None:
    """Serve until SIGTERM.

    Args:
        plan: "graph", "output", "shape" of a picture, "instances", "threads", "max_batch_size", "port", "grpc_port".
    """
    import_module("session")
    session = sys.modules["session"]
    config, triton = import_module("pytriton.model_config"), import_module("pytriton.triton")
    np = import_module("numpy")
    opened = [session.open_session(plan["graph"], plan["threads"]) for _ in range(plan["instances"])]
    dtypes = session.dtypes(opened[0])
    server = triton.TritonConfig(
        http_address="127.0.0.1",
        http_port=plan["port"],
        grpc_address="127.0.0.1",
        grpc_port=plan["grpc_port"],
        allow_metrics=False,
    )
    with triton.Triton(config=server) as served:
        served.bind(
            model_name="model",
            infer_func=[_function(one, plan["output"]) for one in opened],
            inputs=[config.Tensor(name=name, dtype=dtype, shape=(1,)) for name, dtype in dtypes.items()],
            outputs=[config.Tensor(name=plan["output"], dtype=np.uint8, shape=tuple(plan["shape"]))],
            config=config.ModelConfig(
                max_batch_size=plan["max_batch_size"],
                batcher=config.DynamicBatcher(max_queue_delay_microseconds=plan["delay_microseconds"]),
            ),
        )
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        served.serve()


def _function(session: Any, output: str) -> Callable[..., dict[str, Any]]:
    batch = import_module("pytriton.decorators").batch

    @batch
    def infer(**inputs: Any) -> dict[str, Any]:
        given = {name: values.reshape(len(values)) for name, values in inputs.items()}
        return {output: session.run([output], given)[0]}

    return infer


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
