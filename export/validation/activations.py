"""Samples of the inner values of a graph, and of the outputs of a PyTorch module's parts.

A graph runs as it is written: in ONNX Runtime on a CPU, without optimisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.external_graph import with_content
from ...runners import Worker
from ...runners.onnxruntime import run_unoptimised
from ...signature import Signature
from ...signature.fields import Role
from ...signature.noise import NOISE, gaussian
from ..node_names import module_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Value", "output_of_module", "values_of_graph", "values_of_module"]

_ELEMENTS = 1 << 14
"""A sample has at least two thirds of this number of elements; a value below twice this number is taken whole."""


@dataclass(frozen=True)
class Value:
    """A sample of a tensor: elements at even distances of an odd number of elements.

    With an even number all might lie in one column of a picture.

    Args:
        shape: of the tensor.
        sample: FP32 of shape (elements,).
    """

    shape: tuple[int, ...]
    sample: NDArray[np.float32]

    @classmethod
    def of(cls, tensor: NDArray[Any]) -> Value:
        """The sample of a tensor."""
        step = tensor.size // (2 * _ELEMENTS) * 2 + 1
        return cls(tensor.shape, tensor.reshape(-1)[::step].astype(np.float32))


def values_of_graph(
    model: onnx.ModelProto,
    names: Sequence[str],
    inputs: Mapping[str, NDArray[Any]],
    signature: Signature,
    worker: Worker | None = None,
    before: bytes = b"",
) -> dict[str, Value]:
    """Run a graph and sample its inner values by name.

    Args:
        model: the graph; outputs are added to it.
        names: names of values; those that the graph lacks are left out.
        inputs: of the signature; noise that the graph takes as an input is made from the seed.
        signature: of the graph as it was exported.
        worker: the process that runs it; this one by default.
        before: content of the ONNX file that the model was read from, if its weights lie beside it.
    """
    known = {output for node in model.graph.node for output in node.output}
    names = [name for name in names if name in known]
    fetched = [_tap(model.graph, name, index) for index, name in enumerate(names)]
    given = dict(inputs)
    for value in model.graph.input:
        if value.name == NOISE and NOISE not in given:
            (seed,) = (field.name for field in signature.inputs if field.role is Role.SEED)
            given[NOISE] = gaussian(given[seed], value.type.tensor_type.shape.dim[1].dim_value)
    run = run_unoptimised if worker is None else worker.values
    made = run(
        with_content(before, model.SerializeToString()),
        [output for pair in fetched for output in pair],
        given,
    )
    return {
        name: Value(tuple(made[shape]), made[sample])
        for name, (shape, sample) in zip(names, fetched, strict=True)
    }


def _tap(graph: onnx.GraphProto, name: str, index: int) -> tuple[str, str]:
    """Add the shape and a sample of a value to the outputs of a graph."""
    from onnx import TensorProto, helper, numpy_helper

    prefix = f"litho.tap{index}"

    def constant(label: str, content: int) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array([content]), f"{prefix}.{label}"))
        return f"{prefix}.{label}"

    def op(kind: str, *given: str, **attributes: Any) -> str:
        output = f"{prefix}.{len(graph.node)}"
        graph.node.append(helper.make_node(kind, given, [output], output, **attributes))
        return output

    shape = op("Shape", name)
    flat = op("Reshape", op("Cast", name, to=TensorProto.FLOAT), constant("flat", -1))
    steps = op("Mul", op("Div", op("Size", name), constant("share", 2 * _ELEMENTS)), constant("two", 2))
    ends = constant("from", 0), constant("to", np.iinfo(np.int64).max), constant("axis", 0)
    sample = op("Slice", flat, *ends, op("Add", steps, constant("one", 1)))
    graph.output.append(helper.make_tensor_value_info(shape, TensorProto.INT64, None))
    graph.output.append(helper.make_tensor_value_info(sample, TensorProto.FLOAT, None))
    return shape, sample


def output_of_module(run: Any, inputs: Sequence[NDArray[Any]]) -> Value:
    """Run a module and sample what it returns."""
    import torch

    from ...training.networks.pixel_model import model_inputs

    with torch.inference_mode():
        return Value.of(run(*model_inputs(inputs)).numpy())


def values_of_module(
    module: Any, run: Any, inputs: Sequence[NDArray[Any]], nodes: Sequence[onnx.NodeProto]
) -> dict[str, Value]:
    """Run a module and sample the outputs of its parts, each under the name of its value in the exported graph.

    Args:
        module: the graph was exported from it.
        run: calls the module with `inputs`.
        inputs: of `run`.
        nodes: of the graph, named by `node_names`; the last node of a part makes its output.
    """
    import torch

    from ...training.networks.pixel_model import model_inputs

    last: dict[str, str] = {}
    for node in nodes:
        names = module_of(node.name).split(".")
        last |= {".".join(names[: depth + 1]): node.output[0] for depth in range(len(names))}
    found: dict[str, Value] = {}

    def note(value: str) -> Any:
        def hook(part: Any, given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                # A copy: the next part may work in place on this output.
                found[value] = Value.of(output.float().numpy())

        return hook

    handles = [
        part.register_forward_hook(note(last[name])) for name, part in module.named_modules() if name in last
    ]
    try:
        with torch.inference_mode():
            run(*model_inputs(inputs))
    finally:
        for handle in handles:
            handle.remove()
    return found
