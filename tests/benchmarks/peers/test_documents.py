"""The documents: which ratio is taken of what, and that older ones are read."""

import json
from pathlib import Path

import pytest

from litho.benchmarks.peers.documents import (
    Peer,
    Peers,
    Rounds,
    ServedLoad,
    ServedPeer,
    Window,
    plain_graph_name,
    read_peers,
)
from litho.benchmarks.shared.command import RESULTS
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Timing, Verdict
from litho.errors import UsageError
from litho.runners.base import graph_runtimes


def peer(name: str, kind: str, precision: str, *speeds: float, rounds: tuple[Rounds, ...] = ()) -> Peer:
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
        rounds=rounds,
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
    assert PEERS.ratio(8, precision="fp32").value == pytest.approx(500 / 250)
    assert PEERS.ratio(8).value == pytest.approx(500 / 400)
    assert PEERS.best_peer(8).name == "torch BF16, channels last"


def test_a_fast_peer_with_wrong_pictures_is_never_the_best() -> None:
    wrong = peer("fast and wrong", "peer", "fp32", 900, 900, 900)
    wrong = wrong.model_copy(update={"verdict": Verdict(status="failed", reason="other pictures")})
    assert PEERS.model_copy(update={"peers": (*PEERS.peers, wrong)}).ratio(8) == PEERS.ratio(8)
    with pytest.raises(UsageError, match="no peer was measured whose pictures passed"):
        PEERS.model_copy(update={"peers": (wrong,)}).best_peer(8)


def test_rewrites_are_held_against_the_plain_graph_in_the_same_runtime() -> None:
    ratios = {name: ratio.value for name, ratio in PEERS.rewritten(8).items()}
    assert ratios == pytest.approx({"onnxruntime": 1.0, "openvino": 2.0})


def test_rounds_are_taken_in_pairs() -> None:
    slow = peer("slow", "peer", "fp32", 1, 1, 1, rounds=(Rounds(batch=1, ms=(10.0, 20.0, 30.0)),))
    fast = peer("fast", "peer", "fp32", 1, 1, 1, rounds=(Rounds(batch=1, ms=(5.0, 10.0, 15.0)),))
    ratio = fast.times_as_fast(slow, 1)
    assert (ratio.low, ratio.value, ratio.high) == (2.0, 2.0, 2.0)


def test_a_server_is_held_against_another_window_by_window() -> None:
    def server(name: str, speeds: tuple[float, ...]) -> ServedPeer:
        windows = tuple(
            Window(images_per_second=one, p50_ms=1, in_flight=1, requests=9, failed=0, cpu_ms=1)
            for one in speeds
        )
        return ServedPeer(
            name=name,
            versions={},
            settings="",
            trials=(),
            verdict=Verdict(status="passed"),
            loads=(ServedLoad(clients=8, windows=windows, p99_ms=None),),
            idle_cores=0.0,
        )

    ratio = server("one", (30, 60, 90)).times(server("other", (10, 20, 30)), 8)
    assert (ratio.low, ratio.value, ratio.high) == (3.0, 3.0, 3.0)


def test_a_plain_graph_is_named_after_its_runtime() -> None:
    assert [plain_graph_name(runtime) for runtime in graph_runtimes()] == [
        "ONNX Runtime, plain graph",
        "OpenVINO, plain graph, noise given",
    ]


def test_older_documents_are_still_read(tmp_path: Path) -> None:
    older = {**PEERS.model_dump(mode="json"), "schema_version": 1}
    older["entrants"] = older.pop("peers")
    (tmp_path / "peers.json").write_text(json.dumps(older))
    assert read_peers(tmp_path / "peers.json").peers == PEERS.peers
    for file in RESULTS.glob("peers-*.json"):
        document = read_peers(file)
        if document.served is None or document.peers:  # else servers alone were measured
            assert document.peer(document.recommended).timings
            assert document.ratio(8).value > 0
