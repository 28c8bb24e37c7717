"""ONNX Runtime beyond what the export's tests show: devices, and buffers that are kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from litho.bundle import Bundle
from litho.bundle.external_graph import ExternalGraph
from litho.errors import LithoError, UsageError
from litho.runners import open_runner
from litho.runners.onnxruntime import BOUND_SHAPES, Runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


@pytest.fixture(scope="module")
def graph(bundle: Path) -> tuple[bytes, Bundle]:
    loaded = Bundle.load(bundle)
    return loaded.read(loaded.manifest.variants[0].file), loaded


def test_buffers_that_are_kept_give_the_same_pictures(graph: tuple[bytes, Bundle]) -> None:
    content, bundle = graph
    signature = bundle.manifest.signature
    with Runner(content, signature) as plain, Runner(content, signature, bound=True) as bound:
        # More shapes than are kept, sizes that are filled up, and each met again with other inputs.
        batches = [*range(1, 18), 31, 33, 63, 64, 65, *(64 * number for number in range(2, BOUND_SHAPES))]
        for seed, batch in enumerate([*batches] * 2):
            inputs = signature.example(batch, seed)
            made = bound.run(inputs)["image"]
            np.testing.assert_array_equal(made, plain.run(inputs)["image"])
            bound.run(signature.example(batch, seed + 1))
            np.testing.assert_array_equal(made, plain.run(inputs)["image"])  # it was a copy


@pytest.mark.parametrize("where", ["weights.data", "../weights.data"])
def test_weights_that_no_hash_covers_are_not_read(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (int64[b] seed) => (uint8[b, 1, 1, 1] image) <uint8[1, 1, 1] weights = {7}> {
            shape = Constant <value_ints = [-1, 1, 1, 1]> ()
            rows = Reshape (seed, shape)
            bytes = Cast <to = 2> (rows)
            image = Add (bytes, weights)
        }"""
    )
    Path("weights.data").write_bytes(b"\x07")
    (weights,) = model.graph.initializer
    weights.ClearField("int32_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", where), ("offset", "0"), ("length", "1")):
        weights.external_data.add(key=key, value=value)
    content, signature = (
        model.SerializeToString(),
        Signature(inputs=(seed_field(),), output=image_output(1, 1, 1)),
    )
    for refused in (content, ExternalGraph(content, {"other.data": b"\x07"})):
        with pytest.raises(LithoError, match=f"refuses the graph: .*{where} not found"):
            Runner(refused, signature)
    with Runner(ExternalGraph(content, {where: b"\x07"}), signature) as runner:
        assert runner.run({"seed": [1]})["image"].item() == 8


def test_kept_buffers_hold_one_batch_at_a_time(graph: tuple[bytes, Bundle]) -> None:
    content, bundle = graph
    signature = bundle.manifest.signature
    with Runner(content, signature, bound=True) as bound, ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda seed: bound.run({"seed": [seed], "label": [seed % 10]})["image"], range(64))
        )
        for seed, made in enumerate(together):
            np.testing.assert_array_equal(made, bound.run({"seed": [seed], "label": [seed % 10]})["image"])


def test_what_fails_in_kept_buffers_is_one_line(graph: tuple[bytes, Bundle]) -> None:
    content, bundle = graph
    signature = bundle.manifest.signature
    with Runner(content, signature, bound=True) as bound:
        for _ in range(2):
            with pytest.raises(LithoError, match=r"ONNX Runtime .* failed") as caught:
                bound.run({"seed": np.array([1]), "label": np.array([99])}, check=False)
            assert "\n" not in str(caught.value)
        assert bound.run(signature.example(2))["image"].shape == (2, 32, 32, 1)


@pytest.mark.parametrize(
    ("device", "complaint"),
    [
        (
            "tpu",
            r"ONNX Runtime has no device 'tpu' \(known: cpu, cuda, tensorrt; a second GPU: cuda:1\)",
        ),
        ("cpu:1", "has no device 'cpu:1'"),
        ("cuda:first", "has no device 'cuda:first'"),
    ],
)
def test_a_device_that_there_is_not_is_refused(bundle: Path, device: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_runner(bundle, device=device)


@pytest.mark.parametrize(
    ("device", "provider"), [("cuda", "CUDAExecutionProvider"), ("tensorrt", "TensorrtExecutionProvider")]
)
def test_a_provider_that_is_not_installed_is_named(bundle: Path, device: str, provider: str) -> None:
    if provider in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has the {provider}")
    with pytest.raises(
        UsageError, match=rf"has no {provider} \(it has: .*\); get it with: pip install 'litho\[gpu\]'"
    ):
        open_runner(bundle, device=device)
