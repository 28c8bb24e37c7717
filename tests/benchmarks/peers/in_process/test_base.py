"""The peers: what each one is, and that all of them make the same pictures."""

from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.peer_makers import make_peers, plain_graph_name
from litho.export.source import from_run
from litho.parity.metrics import psnr_db
from litho.runners.base import graph_runtimes


def test_a_plain_graph_is_named_after_its_runtime() -> None:
    assert [plain_graph_name(runtime) for runtime in graph_runtimes()] == [
        "ONNX Runtime, plain graph",
        "OpenVINO, plain graph, noise given",
    ]


@pytest.mark.slow
def test_quantizers_without_litho_get_its_graph_and_its_calibration(run: Path) -> None:
    pytest.importorskip("nncf")
    source = from_run(run)
    peers = make_peers(source.pipeline, source.data)
    inputs = source.pipeline.signature.example(16, seed=9)
    made = {}
    for name in ("torch eager", *(name for name in peers if "INT8" in name or "quantize_static" in name)):
        with peers[name].opens() as runner:
            made[name] = runner.run(inputs)["image"]
    wanted = made.pop("torch eager")
    assert len(made) == 4
    for name, pictures in made.items():
        assert not np.array_equal(pictures, wanted), name
        assert psnr_db(pictures, wanted).mean() > 20, name
