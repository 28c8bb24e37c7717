"""docs/passes.md: what the graph passes gain."""

from __future__ import annotations

from ..passes.documents import Gain, Gains, Runtime
from .base import Results, paragraph, table

__all__ = ["write"]

_NAMES: dict[Runtime, str] = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino-bf16": "OpenVINO BF16",
}
_GAINS = {
    "same": ("none", "DCGAN-64 from 1x1, last width 64"),
    "linear": ("`linear`", "the same"),
    "folding": ("`folding`", "the same"),
    "linear-folding": ("`linear` + `folding`", "the same"),
    "linear-folding-narrow": ("`linear` + `folding`", "the same, last width 32"),
    "constants-equalised": ("`constants`", "equalised learning rates, width 64, 32x32"),
    "constants-spectral": ("`constants`", "a spectral norm of its own, width 64, 16x16"),
    "upsample-32-3-64": ("`upsample`", "32 → 3 channels at 64x64, 3x3, doubled"),
    "upsample-64-8-32": ("`upsample`", "64 → 8 at 32x32, 3x3, doubled"),
    "upsample-64-8-16": ("`upsample`", "64 → 8 at 16x16, 3x3, doubled"),
    "upsample-256-32-64": ("`upsample`", "256 → 32 at 64x64, 3x3, doubled"),
    "upsample-64-8-64-four": ("`upsample`", "64 → 8 at 64x64, 5x5, four times"),
    "label": ("label fixed, + `folding`", "conditional GAN, 32x32, width 96"),
}
_RATIOS = {
    "ratio-64-64-64": "64 → 64 at 64x64",
    "ratio-32-32-32": "32 → 32 at 32x32",
    "ratio-32-8-64": "32 → 8 at 64x64",
    "ratio-4-8-64": "4 → 8 at 64x64",
    "ratio-64-3-64": "64 → 3 at 64x64",
}


def write(results: Results) -> dict[str, str]:
    """The tables of gains, of ratios of channels and of `subpixel`, and what they were measured on."""
    gains = results.document(Gains, "passes")
    machine, two = gains.machine, tuple(_NAMES)[:2]
    versions = " and ".join(f"{_NAMES[name]} {machine.versions[name]}" for name in two)
    made = (
        f"Measured on {gains.measured_at[:10]} on {machine.cores} cores of {machine.processor}, {versions}."
    )
    return {
        "": table(
            ("pass", "graph", *(_NAMES[name] for name in two)),
            [(*words, *(_cell(gains, case, name) for name in two)) for case, words in _GAINS.items()],
        ),
        "ratio": table(
            ("channels, 3x3, doubled", *_NAMES.values()),
            [(words, *(_cell(gains, case, name) for name in _NAMES)) for case, words in _RATIOS.items()],
        ),
        "subpixel": table(
            ("", "gain at batch 1, 8 and 32"),
            [(words, _cell(gains, "subpixel", name)) for name, words in _NAMES.items()],
        ),
        "machine": paragraph(made),
    }


def _cell(gains: Gains, case: str, runtime: Runtime) -> str:
    return ", ".join(map(_gain, gains.of(case, runtime))) or "not measured"


def _gain(gain: Gain) -> str:
    text = f"{gain.ratio:.2f}"
    return f"({text})" if gain.low <= 1 <= gain.high else text
