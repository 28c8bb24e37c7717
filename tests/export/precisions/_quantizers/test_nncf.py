"""NNCF behind the same interface."""

import sys

import onnx
import pytest

from litho.errors import ExportError, MissingExtra
from litho.export.naming import precisions_of
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, layers, precision
from litho.parity.gate import Gate, compare
from litho.runners.onnxruntime import Runner
from litho.training.networks.pixel_model import PixelModel

from ..conftest import pictures


def _lowering(name: str, graph: bytes, calibration: list[Inputs], kept: int = 0) -> Lowering:
    rewritten, _ = apply_passes(graph, {*default_passes(), *precision(name).passes})
    names = layers(onnx.load_from_string(rewritten))[:kept]
    return Lowering(rewritten, frozenset(names), calibration, Runner.integers, "nncf")


def test_it_has_no_fp8(graph: bytes, calibration: list[Inputs]) -> None:
    with pytest.raises(ExportError, match="to INT8 only; for FP8 leave --quantizer out"):
        precision("fp8").lower(_lowering("fp8", graph, calibration))


def test_without_it_the_extra_is_named(
    graph: bytes, calibration: list[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtra, match=r"litho\[nncf\]"):
        precision("int8").lower(_lowering("int8", graph, calibration))


@pytest.mark.slow
def test_it_quantizes_all_layers_but_those_that_stay(
    graph: bytes, calibration: list[Inputs], picture: PixelModel
) -> None:
    pytest.importorskip("nncf")
    lowering = _lowering("int8", graph, calibration, kept=1)
    made = precision("int8").lower(lowering)
    found = precisions_of(onnx.load_from_string(made))
    (first,) = lowering.fp32_layers
    assert found.pop(first) == "fp32"
    assert set(found.values()) == {"int8"}
    # Random weights are harder than trained ones.
    judged = compare(
        pictures(made, picture.signature), pictures(graph, picture.signature), Gate(mean_psnr_db=25)
    )
    assert all(figure.passed for figure in judged)
