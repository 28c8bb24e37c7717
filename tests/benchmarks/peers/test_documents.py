"""The comparison with peers: which ratio is taken of what."""

import pytest

from litho.benchmarks.machine import describe_machine
from litho.benchmarks.peers import Peer, Peers, rows
from litho.bundle.manifest import Timing, Verdict


def peer(name: str, kind: str, precision: str, *speeds: float) -> Peer:
    timings = tuple(
        Timing(batch=batch, p50_ms=batch / speed * 1e3, images_per_second=speed)
        for batch, speed in zip((1, 8, 32), speeds, strict=True)
    )
    return Peer(
        name=name,
        kind=kind,  # pyright: ignore[reportArgumentType]
        precision=precision,
        verdict=Verdict(status="passed"),
        timings=timings,
    )


PEERS = Peers(
    preset="dcgan64-emoji",
    weights_sha256="0" * 64,
    recommended="generator.int8.openvino.onnx",
    peers=(
        peer("torch eager", "peer", "fp32", 100, 200, 300),
        peer("torch BF16, channels last", "peer", "bf16", 150, 400, 500),
        peer("ONNX Runtime, plain graph", "peer", "fp32", 120, 250, 260),
        peer("OpenVINO, plain graph, noise given", "peer", "fp32", 110, 210, 290),
        peer("generator.fp32.onnx", "variant", "fp32", 132, 250, 286),
        peer("generator.fp32.openvino.onnx", "variant", "fp32", 110, 420, 580),
        peer("generator.int8.openvino.onnx", "variant", "int8", 300, 500, 600),
    ),
    machine=describe_machine(),
)


def test_the_recommended_variant_is_held_against_the_fastest_peer() -> None:
    assert PEERS.ratio(8, precision="fp32") == pytest.approx(500 / 250)
    assert PEERS.ratio(8) == pytest.approx(500 / 400)


def test_rewrites_are_held_against_the_plain_graph_in_the_same_runtime() -> None:
    assert PEERS.rewritten(8) == pytest.approx({"onnxruntime": 1.0, "openvino": 2.0})


def test_the_table_marks_what_is_recommended() -> None:
    (line,) = (line for line in rows(PEERS) if line.startswith("| **"))
    assert line == "| **generator.int8.openvino.onnx** | int8 | passed | – | – | 300 | 500 | 600 |"


def test_an_older_document_is_still_read() -> None:
    older = PEERS.model_dump()
    older["entrants"] = older.pop("peers")
    assert Peers.model_validate(older) == PEERS
