"""Dead and duplicate nodes and constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st


@pytest.mark.slow
@settings(max_examples=40)
@given(
    copies=st.integers(1, 4),
    dead=st.integers(0, 3),
    identities=st.integers(0, 3),
    own_constants=st.booleans(),
)
def test_copies_dead_nodes_and_identities_go(
    build: Any, check: Any, copies: int, dead: int, identities: int, own_constants: bool
) -> None:
    # y = the sum of copies of exp(x + c), read through identities, beside nodes that nobody reads.
    nodes: list[Any] = []
    constants: dict[str, np.ndarray] = {"c0": np.arange(3, dtype=np.float32)}
    for number in range(copies):
        name = f"c{number if own_constants else 0}"
        constants[name] = constants["c0"]
        nodes += [("Add", ["x", name], f"a{number}", {}), ("Exp", [f"a{number}"], f"e{number}", {})]
    nodes += [
        ("Neg", [f"dead{number - 1}" if number else "x"], f"dead{number}", {}) for number in range(dead)
    ]
    last = [f"e{number}" for number in range(copies)]
    for number in range(identities):
        nodes.append(("Identity", [last[0]], f"i{number}", {}))
        last[0] = f"i{number}"
    nodes.append(("Sum", last, "y", {}))
    model, changed = check(build(nodes, constants, {"x": ["batch", 3]}), "cleanup")
    assert [node.op_type for node in model.graph.node] == ["Add", "Exp", "Sum"]
    assert len(model.graph.initializer) == 1
    gone = len(nodes) - 3 + len(constants) - 1
    assert changed == ({"cleanup": gone} if gone else {})


def test_two_outputs_that_are_the_same_both_stay(build: Any, check: Any) -> None:
    nodes = [("Exp", ["x"], "y", {}), ("Exp", ["x"], "z", {}), ("Identity", ["y"], "w", {})]
    model, _ = check(build(nodes, {}, {"x": ["batch", 3]}, ["y", "z", "w"]), "cleanup")
    assert [value.name for value in model.graph.output] == ["y", "z", "w"]


def test_what_differs_stays(build: Any, check: Any) -> None:
    nodes = [
        ("Softmax", ["x"], "a", {"axis": 1}),
        ("Softmax", ["x"], "b", {"axis": 0}),
        ("Sub", ["a", "b"], "c", {}),
        ("Sub", ["b", "a"], "d", {}),
        ("Max", ["c", "d"], "y", {}),
    ]
    assert check(build(nodes, {}, {"x": ["batch", 3]}), "cleanup")[1] == {}
