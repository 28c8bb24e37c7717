"""The peers in this process: what each one is, and that all of them make the same pictures."""

from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.peers.in_process.base import Source, lacks_provider, make_peers, peer_names
from litho.errors import UnknownName
from litho.export.source import from_run
from litho.parity.metrics import psnr_db


def test_each_peer_is_a_file_in_the_order_of_the_tables() -> None:
    assert peer_names() == [
        "torch-eager",
        "torch-compile",
        "torch-bf16",
        "onnxruntime",
        "openvino",
        "nncf",
        "quantize-static",
        "torch-tensorrt",
        "onnxruntime-tensorrt",
    ]


def test_what_is_missing_is_listed_with_its_reason(run: Path) -> None:
    source = from_run(run)
    keep = {"torch-eager", "torch-tensorrt", "onnxruntime-tensorrt"}
    without = [name for name in peer_names() if name not in keep]
    made, missing = make_peers(Source(source.pipeline, source.data), without)
    assert list(made) == ["torch eager"]
    assert made["torch eager"].versions.keys() == {"torch"}
    reasons = {one.name: one.reason for one in missing}
    assert reasons["torch-compile"] == "it was left out with --without"
    assert reasons["torch-tensorrt"] == "it is measured on cuda, and this is cpu"
    on_gpu = Source(source.pipeline, source.data, "cuda")
    gpu_only = [name for name in without if name not in ("nncf", "openvino")]
    _, missing = make_peers(on_gpu, gpu_only)
    reasons = {one.name: one.reason for one in missing}
    assert reasons["openvino"] == "it is measured on cpu, and this is cuda"


def test_an_unknown_peer_is_refused(run: Path) -> None:
    source = from_run(run)
    with pytest.raises(UnknownName, match="unknown peer 'nncv'"):
        make_peers(Source(source.pipeline, source.data), ["nncv"])


def test_a_missing_provider_is_named() -> None:
    assert lacks_provider("cpu", "NoProvider") == ""
    assert "no NoProvider; install onnxruntime-gpu" in lacks_provider("cuda", "NoProvider")


@pytest.mark.slow
def test_quantizers_without_litho_get_its_graph_and_its_calibration(run: Path) -> None:
    pytest.importorskip("nncf")
    source = from_run(run)
    left_out = ["torch-compile", "torch-bf16", "onnxruntime", "openvino"]
    peers, _ = make_peers(Source(source.pipeline, source.data), left_out)
    inputs = source.pipeline.signature.example(16, seed=9)
    made = {}
    for name, peer in peers.items():
        with peer.form.candidate.opens() as runner:
            made[name] = runner.run(inputs)["image"]
    wanted = made.pop("torch eager")
    assert len(made) == 4
    for name, pictures in made.items():
        assert not np.array_equal(pictures, wanted), name
        assert psnr_db(pictures, wanted).mean() > 20, name
