from __future__ import annotations

from typing import Any

import onnx

from litho.export.passes import apply_passes


def test_noise_outside_takes_what_the_seed_became_as_an_input(build: Any) -> None:
    nodes = [
        ("Sin", ["seed"], "noise", {}),
        ("Shape", ["noise"], "s", {}),
        ("Expand", ["noise", "s"], "y", {}),
    ]
    after, changed = apply_passes(build(nodes, {}, {"seed": ["batch", 4]}), ["noise_outside"])
    assert changed == {"noise_outside": 1}
    assert [value.name for value in onnx.load_from_string(after).graph.input] == ["noise"]
    assert [node.op_type for node in onnx.load_from_string(after).graph.node] == ["Shape", "Expand"]
    assert apply_passes(after, ["noise_outside"]) == (after, {})
