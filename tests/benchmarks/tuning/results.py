"""Results of a search without a server, for tests of what is made of them."""

from collections.abc import Sequence
from typing import Any

from litho.benchmarks.shared.machine import Machine
from litho.benchmarks.tuning import judge
from litho.benchmarks.tuning.documents import (
    Confirmation,
    Figures,
    Goal,
    Quality,
    Round,
    Trial,
    TuneResult,
)

MACHINE = Machine(processor="a processor", cores=2, memory_bytes=2**33, gpus=(), system="Linux", versions={})


def a_window(speed: float) -> Figures:
    return Figures(seconds=1, images_per_second=speed, p50_ms=1e4 / speed, requests=100, cpu_ms=2e3 / speed)


def a_round(gain: float) -> Round:
    return Round(candidate=a_window(100 * gain), default=a_window(100))


def a_trial(number: int, gain: float, **more: Any) -> Trial:
    settings = {"threads": 2, "preferred_batch_sizes": (8,)}
    return Trial(
        **{
            "number": number,
            "variant": "generator.fp32.onnx",
            "settings": settings,
            "parameters": {"variant": "generator.fp32.onnx", "threads": 2},
            "state": "measured",
            "score": gain,
            "rounds": (a_round(gain),) * 3,
            "quality": Quality(replayed=True, checked=64),
            "start_seconds": 1.5,
            **more,
        }
    )


def a_result(**more: Any) -> TuneResult:
    failed = a_trial(
        2, 1, state="failed", reason="its pictures are others", score=None, rounds=(), quality=None
    )
    return TuneResult(
        **{
            "bundle": "digits",
            "manifest_sha256": "0" * 64,
            "goal": Goal(),
            "command": "litho bench tune digits",
            "measured_at": "2026-01-01T00:00:00+00:00",
            "machine": MACHINE,
            "budget_seconds": 60,
            "window_seconds": 0.5,
            "default": "generator.fp32.onnx",
            "trials": (
                a_trial(0, 1.3),
                a_trial(1, 0.5, state="pruned", reason="clearly worse in round 1"),
                failed,
            ),
            **more,
        }
    )


def confirmed(gains: Sequence[float]) -> Confirmation:
    return judge.confirmed(Goal(), [a_round(one) for one in gains])
