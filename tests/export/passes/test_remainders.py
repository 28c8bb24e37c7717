from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from litho.bundle import Bundle
from litho.export.passes import apply_passes
from litho.runners.onnxruntime import run_unoptimised
from litho.signature.noise import MAX_SEED, NOISE, PRIME, gaussian

SEEDS = np.array([0, 1, PRIME - 1, PRIME, PRIME + 1, PRIME**2 - 1, PRIME**2, 2 * PRIME**2, MAX_SEED])


def _noise(graph: bytes) -> np.ndarray:
    model = onnx.load_from_string(graph)
    model.graph.output.append(onnx.ValueInfoProto(name=NOISE))
    ones = {"label": np.zeros(len(SEEDS), np.int64), "truncation": np.ones(len(SEEDS), np.float32)}
    return run_unoptimised(model.SerializeToString(), [NOISE], {"seed": SEEDS, **ones})[NOISE]


def test_the_noise_of_every_seed_stays_the_same_without_a_remainder(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    graph = opened.read(opened.variant("generator.fp32.onnx").file)
    kinds = [node.op_type for node in onnx.load_from_string(graph).graph.node]
    after, changed = apply_passes(graph, ["remainders"])
    assert changed == {"remainders": kinds.count("Mod")}
    assert "Mod" not in {node.op_type for node in onnx.load_from_string(after).graph.node}
    assert apply_passes(after, ["remainders"]) == (after, {})
    made = _noise(after)
    np.testing.assert_array_equal(made, _noise(graph))
    np.testing.assert_allclose(made, gaussian(SEEDS, made.shape[1]), atol=2e-6)


def test_remainders_of_the_network_stay(build: Any) -> None:
    nodes = [
        ("Mod", ["seed", "two"], "noise", {"fmod": 1}),
        ("Mod", ["noise", "two"], "y", {"fmod": 1}),
    ]
    graph = build(nodes, {"two": np.float32(2)}, {"seed": ["batch", 4]})
    assert apply_passes(graph, ["remainders"]) == (graph, {})
