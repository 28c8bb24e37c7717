"""Fix an integer input of a graph, such as a label, at one value.

Values that depend only on this input, such as an embedding or the scale of a conditional normalisation, are computed
once and become constants. A constant is broadcast over the batch; for an operator that does not broadcast, such as a
concatenation with the noise, it is repeated. The pass `folding` then merges constant scales into weights.
"""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..bundle.external_graph import with_content
from ..errors import ExportError, UnknownName
from ..extras import require
from ..runners.onnxruntime import give_weights
from ..signature import Signature
from .external_data import content_of, opened

__all__ = ["fix_input"]

_SIGNATURE = "litho.signature"

_SIZES = ("Shape", "Size")
"""Operators that read the shape of their input, not its content."""

_BROADCASTING = (
    *("Add", "Div", "Max", "Mean", "Min", "Mod", "Mul", "Pow", "Sub", "Sum"),
    *("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Where", "Xor"),
)


def fix_input(graph: bytes, name: str, value: int) -> bytes:
    """Fix an input of a graph at a value and remove it.

    Args:
        graph: content of an ONNX file without random operators, from `export_graph`.
        name: of an input, INT64 of shape (batch,).
        value: its value in every picture.

    Returns:
        The content of the changed file, checked; its signature lacks the input too.

    Raises:
        UnknownName: there is no such input.
        InvalidInput: the signature of the file does not allow the value.
        ExportError: the input is not INT64 of shape (batch,), it is the only input with a batch, or values that depend
            on it depend on the size of other inputs too.
    """
    require("onnx", "export")
    from onnx_ir.passes import common

    model = opened(graph)
    given = next((one for one in model.graph.inputs if one.name == name), None)
    if given is None:
        raise UnknownName("input", name, [one.name or "" for one in model.graph.inputs])
    _drop_from_signature(model, name, value)
    guide = _guide(model, given)
    common.NameFixPass()(model)
    common.ShapeInferencePass()(model)
    _Fixer(model, given, guide, graph).apply(value)
    common.TopologicalSortPass()(model)
    common.RemoveUnusedNodesPass()(model)
    if given.uses():
        raise ExportError(
            f"input {name!r} cannot be fixed: the graph takes more than the batch from its shape"
        )
    model.graph.inputs.remove(given)
    return content_of(model, graph)


def _drop_from_signature(model: ir.Model, name: str, value: int) -> None:
    written = model.metadata_props.get(_SIGNATURE)
    if written is None:
        return
    signature = Signature.model_validate_json(written)
    rest = []
    for field in signature.inputs:
        if field.name == name:
            field.check(np.array([value]))
        else:
            rest.append(field)
    left = signature.model_copy(update={"inputs": tuple(rest)})
    model.metadata_props[_SIGNATURE] = json.dumps(left.model_dump(mode="json"), sort_keys=True)


def _guide(model: ir.Model, given: ir.Value) -> ir.Value:
    """Another input with the same batch, which sets the number of pictures."""
    shape = given.shape
    if given.dtype != ir.DataType.INT64 or shape is None or len(shape) != 1 or isinstance(shape[0], int):
        raise ExportError(
            f"input {given.name!r} is {given.dtype} of shape {shape}; only INT64 of shape (batch,) can be fixed"
        )
    for other in model.graph.inputs:
        if other is not given and other.shape is not None and len(other.shape) and other.shape[0] == shape[0]:
            return other
    raise ExportError(f"input {given.name!r} cannot be fixed: no other input says how many pictures to make")


class _Fixer:
    """Replaces values that depend on one input only by constants.

    Args:
        model: the model to change.
        given: the input.
        guide: the input whose first extent is the batch afterwards.
        before: content of the ONNX file that the model was read from.
    """

    def __init__(self, model: ir.Model, given: ir.Value, guide: ir.Value, before: bytes) -> None:
        self._before = before
        self._model, self._graph, self._given, self._guide = model, model.graph, given, guide
        self._batch = None if given.shape is None else given.shape[0]
        self._tape = ir.tape.Tape()

    def apply(self, value: int) -> None:
        """Replace the values; unused nodes stay in the graph."""
        mine = self._mine()
        for output in self._graph.outputs:
            if output in mine:
                raise ExportError(f"output {output.name!r} depends on input {self._given.name!r} alone")
        frontier = [one for one in mine if any(_stays(node, mine) for node, _ in one.uses())]
        sizes = [node for node, _ in self._given.uses() if node.op_type == "Shape"]
        alone, several = (self._measure(frontier, value, batch) for batch in (1, 3))
        for one in frontier:
            axis = _batch_axis(one.name, alone[one.name or ""], several[one.name or ""])
            self._replace(one, alone[one.name or ""], axis, mine)
        for node in sizes:
            if not node.attributes.get_int("start", 0):
                ir.convenience.replace_all_uses_with(node.outputs[0], self._count(self._guide))
        self._graph.extend(self._tape.nodes)
        for made in self._tape.initializers:
            self._graph.initializers[made.name or ""] = made

    def _mine(self) -> dict[ir.Value, None]:
        """Values that depend on the input and otherwise only on constants and shapes, in order."""
        others = {one for one in self._graph.inputs if one is not self._given}
        mine = {self._given: None}
        for node in self._graph:
            if node.op_type in _SIZES:
                continue
            nested = any(
                attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
                for attribute in node.attributes.values()
            )
            if nested or not others.isdisjoint(node.inputs):
                others.update(node.outputs)
            elif any(one in mine for one in node.inputs if one is not None):
                mine.update(dict.fromkeys(node.outputs))
        return mine

    def _measure(self, frontier: list[ir.Value], value: int, batch: int) -> dict[str, NDArray[np.generic]]:
        """Compute values for a batch of `value`; other free extents change with the batch."""
        if not frontier:
            return {}
        import onnxruntime

        part = ir.from_proto(ir.to_proto(self._model))
        by_name = {one.name: one for node in part.graph for one in node.outputs}
        by_name |= {one.name: one for one in part.graph.inputs}
        part.graph.outputs[:] = [by_name[one.name] for one in frontier]
        from onnx_ir.passes import common

        common.RemoveUnusedNodesPass()(part)
        feeds = {}
        for one in part.graph.inputs:
            shape = [
                extent if isinstance(extent, int) else batch if extent == self._batch else 8 * batch
                for extent in one.shape or ()
            ]
            dtype = one.dtype.numpy() if one.dtype is not None else np.float32
            feeds[one.name] = np.full(shape, value if one.name == self._given.name else 0, dtype)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            content = with_content(self._before, ir.to_proto(part).SerializeToString())
            weights = give_weights(onnxruntime, options, content)
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            del weights
            results = session.run(None, feeds)
        except Exception as error:
            raise ExportError(
                f"input {self._given.name!r} cannot be fixed at {value}: {str(error).splitlines()[0]}"
            ) from error
        return {one.name or "": np.asarray(result) for one, result in zip(frontier, results, strict=True)}

    def _replace(
        self, old: ir.Value, content: NDArray[np.generic], axis: int | None, mine: dict[ir.Value, None]
    ) -> None:
        """Replace a value by a constant in all nodes that stay."""
        single = self._tape.initializer(ir.tensor(np.ascontiguousarray(content)), name=f"{old.name}.fixed")
        for node, index in tuple(old.uses()):
            if not _stays(node, mine):
                continue
            beside = [
                one
                for one in node.inputs
                if node.graph is self._graph and one is not None and one not in mine and one.shape is not None
            ]
            spread = node.op_type in _BROADCASTING and any(
                self._has_batch(one, content.ndim - (axis or 0)) for one in beside
            )
            if axis is None or spread:
                node.replace_input_with(index, single)
                continue
            # Prefer another operand to an input as the source of the batch: the graph may be cut in between later.
            guide = next((one for one in beside if self._has_batch(one)), self._guide)
            repeated = self._repeat(f"{old.name}.for.{node.name}.{index}", single, self._count(guide), axis)
            repeated.shape, repeated.type = old.shape, old.type
            node.replace_input_with(index, repeated)

    def _has_batch(self, value: ir.Value, from_the_right: int | None = None) -> bool:
        """Whether an axis of a value, by default the first, is the batch."""
        shape = () if value.shape is None else tuple(value.shape)
        axis = 0 if from_the_right is None else len(shape) - from_the_right
        return 0 <= axis < len(shape) and shape[axis] == self._batch

    def _count(self, guide: ir.Value) -> ir.Value:
        """The batch of a value, INT64 of shape (1,)."""
        count = self._tape.op("Shape", [guide], {"start": 0, "end": 1})
        count.name = f"{self._given.name}.batch{len(self._tape.nodes)}"
        return count

    def _repeat(self, name: str, single: ir.Value, count: ir.Value, axis: int) -> ir.Value:
        """A constant repeated `count` times along an axis."""
        rank = len(single.shape or ())
        ones = [
            self._tape.initializer(ir.tensor(np.ones(extent, np.int64)), name=f"{name}.ones{extent}.{side}")
            for side, extent in (("before", axis), ("after", rank - axis - 1))
        ]
        shape = self._tape.op("Concat", [ones[0], count, ones[1]], {"axis": 0})
        repeated = self._tape.op("Expand", [single, shape])
        shape.name, repeated.name = f"{name}.shape", f"{name}.repeated"
        return repeated


def _stays(node: ir.Node, mine: dict[ir.Value, None]) -> bool:
    """Whether a node reads content and depends on other inputs too."""
    return node.op_type not in _SIZES and node.outputs[0] not in mine


def _batch_axis(name: str | None, alone: NDArray[np.generic], several: NDArray[np.generic]) -> int | None:
    """The batch axis of a value, None without one; checks that all pictures have the same value."""
    if alone.ndim == several.ndim:
        axes = [axis for axis in range(alone.ndim) if alone.shape[axis] != several.shape[axis]]
        if not axes:
            axis, same = None, True
        else:
            axis = axes[0]
            same = len(axes) == 1 and (alone.shape[axis], several.shape[axis]) == (1, 3)
        # Products of several rows may round differently than those of one.
        if same and np.allclose(
            several, alone, rtol=1e-4, atol=1e-5 * np.abs(alone, dtype=float).max(initial=0)
        ):
            return axis
    raise ExportError(f"{name!r} depends on the size of other inputs too: it is no constant")
