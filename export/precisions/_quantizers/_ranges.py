"""Ranges of activations and weights: the scale with the smallest squared error of rounding and clipping.

Activations are histograms of the FP32 graph's values on the calibration inputs. They are added up batch by batch, so
that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....extras import require
from ..base import Inputs

if TYPE_CHECKING:
    import onnx

__all__ = [
    "BINS",
    "Activations",
    "dequantized",
    "observe",
    "rounded",
    "scale_of",
    "values_of",
    "weight_scales",
]

BINS = 4096
"""Bins of a histogram, from 0 to the largest magnitude."""

_CLIPPED = np.linspace(0.3, 1, 71)
"""Ranges that are tried, as shares of the largest magnitude."""

_BYTES_AT_ONCE = 256 << 20
"""Values that are observed in one run; larger batches are split."""

_AT_ONCE = 16
_LARGEST: Mapping[str, float] = {"INT8": 127, "UINT8": 255, "FLOAT8E4M3FN": 448}
"""Largest magnitude of a type; INT8 is symmetric."""


@dataclass
class Activations:
    """What is known of one value.

    Attributes:
        most: largest magnitude.
        counts: of magnitudes in `BINS` equal bins from 0 to `most`; exact zeros are not counted.
    """

    most: float = 0.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))


def observe(
    graph: onnx.ModelProto, names: Sequence[str], calibration: Sequence[Inputs]
) -> dict[str, Activations]:
    """Run the calibration inputs twice, for the largest magnitudes and then for the histograms.

    Args:
        graph: in FP32.
        names: of the values to observe.
        calibration: inputs, batch by batch.
    """
    found = {name: Activations() for name in names}
    for values in values_of(graph, names, calibration):
        for name, value in values.items():
            found[name].most = max(found[name].most, float(np.abs(value).max(initial=0.0)))
    for values in values_of(graph, names, calibration):
        for name, value in values.items():
            one = found[name]
            one.counts += np.histogram(np.abs(value[value != 0]), BINS, (0.0, one.most or 1.0))[0]
    return found


def values_of(
    graph: onnx.ModelProto, names: Sequence[str], calibration: Sequence[Inputs]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Some values of a graph for each batch of inputs, or for parts of a batch if they are large.

    Args:
        graph: any that ONNX Runtime runs.
        names: of its values.
        calibration: inputs, batch by batch.

    Yields:
        Name -> values, with the batch axis in front.
    """
    onnx, runtime = require("onnx", "export"), require("onnxruntime", "cpu")
    wider = onnx.ModelProto()
    wider.CopyFrom(graph)
    given = {value.name for value in wider.graph.input}
    public = given | {value.name for value in wider.graph.output}
    wider.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in public)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # Fusions of quantized layers may need more than a graph for another runtime has.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = runtime.InferenceSession(wider.SerializeToString(), options, providers=["CPUExecutionProvider"])
    computed, at_once = [name for name in names if name not in given], 1
    for batch in calibration:
        count, start = min(map(len, batch.values())), 0
        while start < count:
            part = {name: value[start : start + at_once] for name, value in batch.items()}
            start += at_once
            values = dict(zip(computed, session.run(computed, part), strict=True)) if computed else {}
            values |= {name: part[name] for name in names if name in given}
            yield values
            size = sum(value.nbytes for value in values.values()) // len(next(iter(part.values())))
            at_once = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // max(size, 1)))


def scale_of(one: Activations, element: str) -> NDArray[np.float32]:
    """The scale of a value that is computed, a scalar.

    Args:
        one: what is known of the value.
        element: the type that it is quantized to.
    """
    largest, most = _LARGEST[element], one.most or 1.0
    share = 1.0
    if one.most and element in ("INT8", "UINT8"):
        centers = (np.arange(BINS) + 0.5) * (most / BINS)
        errors = [
            np.square(np.minimum(np.rint(centers / scale), largest) * scale - centers) @ one.counts
            for scale in most * _CLIPPED / largest
        ]
        share = _CLIPPED[int(np.argmin(errors))]
    return np.array(most * share / largest, np.float32)


def weight_scales(weight: NDArray[np.float32], axis: int, element: str) -> NDArray[np.float32]:
    """The scale of each output channel of constant weights, FP32 of shape (channels,)."""
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    most, largest = np.abs(rows).max(1).astype(np.float64), _LARGEST[element]
    most[most == 0] = 1.0
    best = most / largest
    if element != "INT8":
        return best.astype(np.float32)
    least = np.full(len(rows), np.inf)
    for share in _CLIPPED:
        scale = most * share / largest
        units = rows / scale[:, None].astype(np.float32)
        error = (np.square(np.clip(np.rint(units), -largest, largest) - units)).sum(1) * scale**2
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best.astype(np.float32)


def rounded(values: NDArray[Any], scale: NDArray[np.float32], element: str) -> NDArray[Any]:
    """Values in units of `scale`, rounded to a type and clipped to its range."""
    import onnx_ir as ir

    largest = _LARGEST[element]
    units = np.clip(values / scale, 0 if element == "UINT8" else -largest, largest)
    return (np.rint(units) if element in ("INT8", "UINT8") else units).astype(ir.DataType[element].numpy())


def dequantized(values: NDArray[Any], scale: NDArray[np.float32], element: str) -> NDArray[np.float32]:
    """Values after rounding and clipping, FP32."""
    return rounded(values, scale, element).astype(np.float32) * scale
