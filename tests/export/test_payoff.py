"""Lowered graphs must pay: slower than FP32 they are refused; what FP32 layers are computed in is measured."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from litho.bundle.manifest import Variant, Verdict
from litho.errors import LithoError
from litho.export import payoff
from litho.export.payoff import paid
from litho.export.variant_spec import ExportedVariant
from litho.runners._graph_options import INFERENCE_PRECISION, graph_option

FP32, INT8 = b"", b"\x08\x0a"  # an ONNX file with nothing in it, and one with a version


@dataclass
class Judge:
    """Stands for `Proof`: the verdict of graphs with an option, and names of what was opened."""

    verdict: Verdict = field(default_factory=lambda: Verdict(status="passed"))

    def open(self, stage: str, graph: bytes, runtime: str) -> bytes:
        return graph

    def judge(self, stage: str, graph: bytes, runtime: str, precision: Any) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(verdict=self.verdict, graph=graph, pictures=None)


def _made(runtime: str = "openvino", status: Any = "passed") -> ExportedVariant:
    verdict = Verdict(status=status, reason="" if status == "passed" else "far")
    variant = Variant(
        name="generator.int8.onnx",
        stage="generator",
        precision="int8",
        runtime=runtime,
        file="graphs/generator.int8.onnx",
        batches=(1, 8, 64),
        verdict=verdict,
    )
    return ExportedVariant(variant, INT8)


def _seconds(monkeypatch: pytest.MonkeyPatch, seconds: dict[str | None, float]) -> None:
    """Let graphs take these seconds, by their option; "fp32" is the unlowered one."""

    def time(opens: Any) -> float:
        graph = opens()
        return seconds["fp32" if graph == FP32 else graph_option(graph, INFERENCE_PRECISION)]

    def ratio(first: Any, second: Any, batch: int, limit_s: float) -> tuple[float, float, float]:
        found = time(first) / time(second)
        return found, found, found

    monkeypatch.setattr(payoff, "ratio_in_turns", ratio)
    monkeypatch.setattr(payoff, "apply_passes", lambda graph, names: (graph, {}))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_graph_slower_than_fp32_is_not_offered_and_the_reason_is_given(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seconds(monkeypatch, {"fp32": 0.9, None: 1.0, "bf16": 1.0})
    found = paid(_made(runtime), Judge(), FP32).variant.verdict  # pyright: ignore[reportArgumentType]
    assert found.status == "not_offered"
    title = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[runtime]
    assert found.reason == f"slower than fp32: 0.90 times its images/s in {title}"


def test_bf16_between_int8_layers_is_chosen_where_it_is_faster_and_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _seconds(monkeypatch, {"fp32": 2.0, None: 1.0, "bf16": 0.9})
    found = paid(_made(), Judge(), FP32)  # pyright: ignore[reportArgumentType]
    assert found.variant.options == {"inference_precision": "bf16"}
    assert found.graph is not None
    assert graph_option(found.graph, INFERENCE_PRECISION) == "bf16"


@pytest.mark.parametrize(("bf16", "verdict"), [(0.99, "passed"), (0.5, "failed")])
def test_it_is_not_chosen_for_nothing_or_if_the_pictures_fail(
    bf16: float, verdict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seconds(monkeypatch, {"fp32": 2.0, None: 1.0, "bf16": bf16})
    judge = Judge(Verdict(status=verdict, reason="" if verdict == "passed" else "far"))
    found = paid(_made(), judge, FP32)  # pyright: ignore[reportArgumentType]
    assert found == _made()


def test_what_failed_is_not_timed_and_what_cannot_be_timed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise LithoError("ONNX Runtime crashed")

    monkeypatch.setattr(payoff, "ratio_in_turns", fails)
    monkeypatch.setattr(payoff, "apply_passes", lambda graph, names: (graph, {}))
    for made in (_made(status="failed"), _made()):
        assert paid(made, Judge(), FP32) == made  # pyright: ignore[reportArgumentType]
