"""All graph passes together: their order, their names, and graphs that they leave unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from litho.errors import UnknownName
from litho.export.passes import apply_passes, default_passes, pass_names, summary


def dcgan(build: Any) -> bytes:
    """Noise as one pixel, transposed convolutions with normalisation, and pixels at the end."""
    random = np.random.default_rng(0)
    shapes = {"w0": (5, 4, 3, 3), "w1": (4, 8, 4, 4), "w2": (1, 8, 3, 3)}
    shapes |= {f"n{layer}{part}": (count,) for layer, count in ((0, 4), (1, 8)) for part in "gbmv"}
    constants = {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    constants["s"], constants["half"] = np.array([1, 1, 2, 2], np.float32), np.float32(0.5)
    repeating = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes = [
        ("ConvTranspose", ["x", "w0"], "a", {}),
        ("BatchNormalization", ["a", *(f"n0{part}" for part in "gbmv")], "b", {}),
        ("Relu", ["b"], "c", {}),
        ("ConvTranspose", ["c", "w1"], "d", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["d", *(f"n1{part}" for part in "gbmv")], "e", {}),
        ("Relu", ["e"], "f", {}),
        ("Resize", ["f", "", "s"], "g", repeating),
        ("Conv", ["g", "w2"], "h", {"pads": [1, 1, 1, 1]}),
        ("Mul", ["h", "half"], "i", {}),
        ("Identity", ["i"], "j", {}),
        ("Tanh", ["j"], "y", {}),
    ]
    return build(nodes, constants, {"x": ["batch", 5, 1, 1]})


def test_each_pass_finds_what_the_ones_before_it_made(build: Any, check: Any) -> None:
    model, changed = check(dcgan(build), *pass_names())
    # Besides the Identity, the two crops have their three constants twice.
    assert changed == {
        **{"linear": 1, "folding": 3, "upsample": 1, "subpixel": 1, "cleanup": 4},
        "activations_first": 3,
    }
    kinds = [node.op_type for node in model.graph.node if node.op_type not in ("Reshape", "Slice")]
    assert kinds == ["Gemm", "Relu", "Conv", "Relu", "DepthToSpace", "Conv", "Tanh", "DepthToSpace"]


@pytest.mark.parametrize("name", pass_names())
def test_each_pass_can_be_left_out(build: Any, check: Any, name: str) -> None:
    assert name not in check(dcgan(build), *(other for other in pass_names() if other != name))[1]


def test_no_pass_leaves_the_file_as_it_is(build: Any) -> None:
    graph = dcgan(build)
    assert apply_passes(graph, ()) == (graph, {})


def test_an_unknown_pass_is_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown pass 'foldin'; did you mean 'folding'\?"):
        apply_passes(b"", ["foldin"])


def test_every_pass_says_what_it_does_and_those_always_applied_are_passes() -> None:
    assert all(summary(name) for name in pass_names())
    assert set(default_passes()) <= set(pass_names())


@pytest.mark.parametrize("module", ["noise", "noise.inner", "pixels"])
def test_noise_and_pixels_stay_as_they_are(build: Any, module: str) -> None:
    model = onnx.load_from_string(dcgan(build))
    for node in model.graph.node:
        node.name = f"{module}/{node.op_type}"
    assert apply_passes(model.SerializeToString(), set(pass_names()) - {"cleanup"})[1] == {}
