"""Ways to make a generator's pictures without litho, one entry each in `_makers`; `peers` proves and times them.

Those that quantize get what litho's own quantizer gets: the same FP32 graph, the same calibration inputs, and the
noise and the rounding of pixels left as they are.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnknownName
from ..export.calibration import calibrate, calibration_inputs
from ..export.graph import export_graph
from ..export.node_names import top_module_of
from ..export.passes import apply_passes, default_passes
from ..export.pipeline import Pipeline
from ..export.precisions import Inputs, precision
from ..export.precisions.base import FP32_MODULES
from ..extras import require
from ..runners.base import runner_class
from ..runners.onnxruntime import Runner as ONNXRuntime
from ..runners.openvino import Runner as OpenVINO
from ..runners.torch import Runner as TorchRunner
from ..signature.fields import Role
from ..signature.noise import NOISE, gaussian
from .candidates import Candidate

__all__ = ["make_peers", "plain_graph_name"]


@dataclass(frozen=True)
class _Source:
    """What the peers make pictures with.

    Args:
        pipeline: of one stage.
        data: name of the data that it was trained on.
    """

    pipeline: Pipeline
    data: str | None

    @cached_property
    def plain(self) -> bytes:
        """The graph as it is exported."""
        return export_graph(self.pipeline.model, self.pipeline.signature, {})

    @cached_property
    def rewritten(self) -> bytes:
        """The graph with the passes that litho quantizes after."""
        return apply_passes(self.plain, {*default_passes(), *precision("int8").passes})[0]

    @cached_property
    def calibration(self) -> list[Inputs]:
        """Inputs, batch by batch."""
        (stage,) = self.pipeline.stages
        inputs = calibration_inputs(self.pipeline, self.data)
        return calibrate(self.pipeline, {stage: self.plain}, inputs)[stage]

    def with_noise(self, graph: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        """A graph that takes its noise as an input, and the calibration inputs of it."""
        given, _ = apply_passes(graph, OpenVINO.passes)
        model = require("onnx", "export").load_from_string(given)
        names = [value.name for value in model.graph.input]
        seeds = [field.name for field in self.pipeline.signature.inputs if field.role is Role.SEED]
        batches = []
        for batch in self.calibration:
            values = dict(batch)
            if NOISE in names:
                shape = next(
                    value for value in model.graph.input if value.name == NOISE
                ).type.tensor_type.shape
                values[NOISE] = gaussian(np.asarray(values[seeds[0]]), shape.dim[1].dim_value)
            batches.append({name: values[name] for name in names})
        return given, batches


def _torch(source: _Source, *, compiled: bool = False, bf16: bool = False) -> Candidate:
    model = source.pipeline.model
    return Candidate("bf16" if bf16 else "fp32", partial(TorchRunner, model, compiled=compiled, bf16=bf16))


def _plain(source: _Source, runtime: str) -> Candidate:
    runner = runner_class(runtime)
    content, _ = apply_passes(source.plain, runner.passes)
    return Candidate("fp32", partial(runner.from_graph, content, source.pipeline.signature))


def _openvino_by_itself(source: _Source) -> Candidate:
    content, _ = apply_passes(source.plain, OpenVINO.passes)
    signature = source.pipeline.signature
    # On processors with BF16 it computes in that.
    return Candidate("bf16", partial(OpenVINO, content, signature, inference_precision=""))


def _nncf(source: _Source, *, rewritten: bool = False, inference_precision: str = "f32") -> Candidate:
    nncf, openvino = require("nncf", "nncf"), require("openvino", "openvino")
    nncf.set_log_level(logging.ERROR)
    content, batches = source.with_noise(source.rewritten if rewritten else source.plain)
    model = openvino.Core().read_model(content)
    made = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
    signature = source.pipeline.signature
    return Candidate("int8", partial(OpenVINO, made, signature, inference_precision=inference_precision))


def _quantize_static(source: _Source) -> Candidate:
    onnx, quantization = require("onnx", "export"), require("onnxruntime.quantization", "cpu")

    class Reader(quantization.CalibrationDataReader):
        """Yields the calibration inputs, batch by batch."""

        def __init__(self) -> None:
            self._batches = iter(source.calibration)

        def get_next(self) -> Any:
            return next(self._batches, None)

    model = onnx.load_from_string(source.plain)
    excluded = [node.name for node in model.graph.node if top_module_of(node.name) in FP32_MODULES]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            model,
            made,
            Reader(),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=excluded,
        )
        content = made.read_bytes()
    return Candidate("int8", partial(ONNXRuntime, content, source.pipeline.signature))


def plain_graph_name(runtime: str) -> str:
    """Name of the peer that runs a graph with only the passes that the runtime needs."""
    runner = runner_class(runtime)
    return f"{runner.title}, plain graph{', noise given' if 'noise_outside' in runner.passes else ''}"


def _makers() -> dict[str, Callable[[_Source], Candidate]]:
    return {
        "torch eager": _torch,
        "torch.compile": partial(_torch, compiled=True),
        "torch BF16, channels last": partial(_torch, bf16=True),
        **{
            plain_graph_name(runtime): partial(_plain, runtime=runtime)
            for runtime in ("onnxruntime", "openvino")
        },
        "OpenVINO, default hint": _openvino_by_itself,
        "NNCF INT8 in OpenVINO": _nncf,
        "NNCF INT8 in OpenVINO, default hint": partial(_nncf, inference_precision=""),
        "NNCF INT8 in OpenVINO, litho's graph": partial(_nncf, rewritten=True),
        "quantize_static in ONNX Runtime": _quantize_static,
    }


def make_peers(pipeline: Pipeline, data: str | None, without: Collection[str] = ()) -> dict[str, Candidate]:
    """The peers of a generator of one stage, name -> candidate.

    Args:
        pipeline: of the generator.
        data: name of the data that it was trained on; calibration takes source pictures from it.
        without: names of peers that are left out.

    Raises:
        UnknownName: there is no such peer.
    """
    makers = _makers()
    for name in without:
        if name not in makers:
            raise UnknownName("peer", name, makers)
    source = _Source(pipeline, data)
    return {name: make(source) for name, make in makers.items() if name not in without}
