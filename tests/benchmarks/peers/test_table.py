from litho.benchmarks.peers.documents import NotMeasured, Served, ServedLoad, ServedPeer, Window
from litho.benchmarks.peers.table import rows, served_rows
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Verdict

from .test_documents import PEERS


def test_the_table_marks_what_is_recommended_and_says_what_is_missing() -> None:
    left_out = NotMeasured(name="nncf", reason="nncf is not installed")
    lines = rows(PEERS.model_copy(update={"not_measured": (left_out,)}))
    (line,) = (line for line in lines if line.startswith("| **"))
    assert line == "| **generator.int8.openvino.onnx** | int8 | passed | – | – | 300 | 500 | 600 |"
    assert lines[-1] == "Not measured: nncf, as nncf is not installed."
    assert any("2.00 (2.00 to 2.00) times as fast as the best FP32 peer" in line for line in lines)


def served_peer(name: str, speed: float, p99: float | None) -> ServedPeer:
    window = Window(images_per_second=speed, p50_ms=2, in_flight=8, requests=900, failed=0, cpu_ms=0.5)
    return ServedPeer(
        name=name,
        versions={},
        settings="2 instances",
        trials=(),
        verdict=Verdict(status="passed"),
        loads=(ServedLoad(clients=8, windows=(window,), p99_ms=p99),),
        idle_cores=0.0,
    )


def test_servers_are_shown_with_litho_over_each_of_the_others() -> None:
    served = Served(
        graph="generator.fp32.onnx",
        seed=0,
        seconds=1,
        date="2026-11-26",
        command="",
        peers=(served_peer("litho", 900, 3.0), served_peer("other", 300, None)),
        not_measured=(),
        machine=describe_machine(),
    )
    lines = served_rows(served)
    assert "| litho | passed | 8 | 900 | 2.00 | 3.0 | 8.00 | 0.50 | 1 |" in lines
    assert "| other | passed | 8 | 300 | 2.00 | – | 8.00 | 0.50 | 3.00 (3.00 to 3.00) |" in lines
    assert served.peer("other").settings == "2 instances"
