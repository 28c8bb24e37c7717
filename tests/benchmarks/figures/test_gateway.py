"""The table has a row for each way, and the sentences hold what was held, generated and missed."""

from pathlib import Path

from litho.benchmarks.figures import gateway
from litho.benchmarks.figures.base import Results
from litho.benchmarks.gateway.documents import Fuzz, Fuzzes, GatewayResult, KeyTimes, Overhead, Way
from litho.benchmarks.shared.machine import describe_machine
from litho.benchmarks.shared.paired import Ratio


def way(throughput: float, gateway_cpu_ms: float) -> Way:
    return Way(
        throughput=throughput,
        p50_ms=10,
        p95_ms=20,
        requests=500,
        errors={},
        gateway_cpu_ms=gateway_cpu_ms,
        client_cpu_ms=0.1,
    )


def test_the_texts_are_those_of_the_documents(tmp_path: Path) -> None:
    overhead = Overhead(
        model="tiny",
        variant="generator.fp32.onnx",
        clients=32,
        rounds={"direct": (way(1250, 0),), "images": (way(1000, 0.5),)},
        throughput={"images": Ratio(value=0.8, low=0.75, high=0.85)},
        p50_more_ms={"images": 6},
        png_ms=0.25,
        same_pictures=True,
    )
    keys = KeyTimes(where="check", rounds=9, median_us={"right": 1.5, "wrong": 1.25}, difference_us={})
    result = GatewayResult(overhead=(overhead,), keys=(keys,), machine=describe_machine())
    fuzz = Fuzzes(
        models=("tiny",),
        runs=(Fuzz(seed=1, cases=5000, operations=20, failures=("GET /: broken",)),),
        answers={"2xx": 2000, "4xx": 3000},
        problems=(),
        machine=describe_machine(),
    )
    (tmp_path / "gateway.json").write_text(result.model_dump_json())
    (tmp_path / "gateway-fuzz.json").write_text(fuzz.model_dump_json())
    texts = {name: text.replace("\n", " ") for name, text in gateway.write(Results(tmp_path)).items()}
    assert "| `tiny` | direct gRPC | 1,250 | | | |" in texts[""]
    assert "| images API | 1,000 | 0.80 (0.75 to 0.85) | +6.0 | 0.500 |" in texts[""]
    assert "0.25 ms of `tiny`" in texts["png"]
    assert "The check of a key took, in microseconds: right 1.50, wrong 1.25." in texts["held"]
    assert "5,000 requests" in texts["fuzz"]
    assert "1 failures; answers: 2,000 of 2xx, 3,000 of 4xx." in texts["fuzz"]
    assert "`tiny`, images: 0.80 (0.75 to 0.85) of the throughput, at least 0.9" in texts["missed"]
