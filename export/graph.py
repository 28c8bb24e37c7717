"""Export a PyTorch module to an ONNX graph, seed in and pixels out; of training it needs the noise alone."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ExportError
from ..extras import require
from ..signature import Signature
from ..signature.noise import NOISE
from .external_data import MOST_BYTES, WeightFolder, checked, store_weights, weights_bytes
from .node_names import node_name
from .parametrizations import without_parametrizations
from .simplification import simplify
from .translations import translations, unread_sources

if TYPE_CHECKING:
    import torch

__all__ = ["COMPLEX", "OPSET", "complex_cause", "export_graph"]

COMPLEX = "litho.complex"
"""Entry of a graph's metadata: the first part of the module that computes complex numbers."""


OPSET = 21
"""The first opset with GroupNormalization as one node; every runtime reads it."""

_MOST_TRACED = 63
"""Largest batch that torch traces for; the graph takes any. The upsampling of diffusers copies from 64 pictures on:
without this limit torch finds that out in a first trace, and needs a second."""

_MARK = "litho.noise"
"""Domain and name of the operator that marks the noise during the export."""


def export_graph(
    module: torch.nn.Module,
    signature: Signature,
    metadata: Mapping[str, str],
    weights: WeightFolder | None = None,
) -> bytes:
    """Export `module` with a free batch, and with free height and width if the signature has them.

    Args:
        module: its `forward(*inputs)` takes the signature's inputs in order, as tensors with a batch axis in front,
            and returns the output.
        signature: names, dtypes and shapes of inputs and output.
        metadata: entries of the model's `metadata_props`; the signature is added.
        weights: where the weights of a graph of 2 GiB or more are put; without it such a graph is refused.

    Returns:
        The content of one ONNX file, checked with shape inference; an `ExternalGraph` if its weights lie elsewhere.

    Raises:
        ExportError: the module is in training mode, has weights that are not finite or not FP32, draws random numbers,
            cannot be exported, or is too large for one file and has no folder for its weights.
    """
    torch, onnx = require("torch", "export"), require("onnx", "export")
    require("onnxscript", "export")
    from ..training.networks.noise import as_one_operator
    from .attention import FourAxes
    from .batch_splits import BatchSplits
    from .user_module.diagnosis import (
        check_free_batch,
        check_module,
        check_no_randomness,
        complex_numbers,
        explain,
    )

    check_module(module)
    module = without_parametrizations(module)
    # The exporter takes a batch of one for a constant.
    example = signature.example(batch=2)
    tensors = tuple(torch.from_numpy(example[field.name]) for field in signature.inputs)
    dimensions = _dimensions(torch, signature)
    with _quiet(torch), BatchSplits(), FourAxes(), unread_sources(), as_one_operator():
        try:
            program = torch.onnx.export(
                module,
                tensors,
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=[field.name for field in signature.inputs],
                output_names=[signature.output.name],
                dynamic_shapes=_in_place(module, dimensions),
                verbose=False,
                optimize=False,
                custom_translation_table=translations(),
            )
            _mark_noise(program.model)
            simplify(program.model)
        except Exception as error:
            raise ExportError(f"torch cannot export the model: {explain(error, module)}") from error
    check_no_randomness(program.model.graph, module)
    automatic = _in_place(module, tuple({0: torch.export.Dim.AUTO} for _ in tensors))
    with _quiet(torch), BatchSplits(), FourAxes(), as_one_operator():
        check_free_batch(program.model.graph, module, tensors, automatic)
    complex_part = complex_numbers(program, module)
    _name_by_modules(program.model.graph)
    _name_noise(program.model)
    _keep_names_apart(program.model.graph, {field.name for field in (*signature.inputs, signature.output)})
    beside = _stored(program.model, weights)
    model = program.model_proto
    notes = {"litho.signature": json.dumps(signature.model_dump(mode="json"), sort_keys=True)}
    if complex_part is not None:
        # Without the line: files have other paths on other machines.
        notes[COMPLEX] = complex_part.partition(" at ")[0]
    onnx.helper.set_model_props(model, {**metadata, **notes})
    _strip_notes(model)
    try:
        if beside is not None:
            content: bytes = checked(model, beside)
        else:
            onnx.checker.check_model(model, full_check=True)
            content = model.SerializeToString(deterministic=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        cause = f"; {complex_cause(complex_part)}" if complex_part is not None else ""
        raise ExportError(
            f"the exported graph is not valid ONNX: {str(error).splitlines()[0]}{cause}"
        ) from error
    _check_contract(model, signature)
    return content


def _stored(model: Any, weights: WeightFolder | None) -> Path | None:
    """The folder that the weights of a model have been moved to; None if they stay in it.

    Raises:
        ExportError: they have to be moved, and there is no folder.
    """
    size = weights_bytes(model)
    if size <= MOST_BYTES and (weights is None or not weights.always):
        return None
    if weights is None:
        raise ExportError(
            f"the weights of the graph have {size} bytes; one ONNX file holds less than 2 GiB: export it with"
            " 'litho export', which puts them beside the graph"
        )
    store_weights(model, weights.path)
    return weights.path


def complex_cause(part: str) -> str:
    """What is likely wrong with the graph of a module whose `part` computes complex numbers, in one line."""
    return (
        f"the module computes complex numbers{part}, which the exporter and most runtimes get wrong in some operators;"
        " keep real and imaginary part as two real tensors"
    )


def _dimensions(torch: Any, signature: Signature) -> tuple[dict[int, Any], ...]:
    """The free extents of each input: axis -> `torch.export.Dim`."""
    free: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=_MOST_TRACED)}
    source = signature.sized_by
    if source is None:
        return tuple(free for _ in signature.inputs)
    image_axes, step = dict(free), source.divisible_by
    (least, *_), (most, *_) = source.extreme_shapes
    limits = {"min": least // step, "max": most // step}
    for axis, name in ((1, "height"), (2, "width")):
        image_axes[axis] = (
            torch.export.Dim(name, **limits)
            if step == 1
            else step * torch.export.Dim(f"{name}_steps", **limits)
        )
    return tuple(image_axes if field.free else free for field in signature.inputs)


def _in_place(module: Any, shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The dynamic shapes of the inputs, nested as `forward` takes them: one by one, or all as `*inputs`."""
    parameters = inspect.signature(module.forward).parameters.values()
    collected = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return (shapes,) if collected else shapes


def _mark_noise(model: Any) -> None:
    """Insert an operator behind the noise that the exporter's optimisation does not know.

    Without it the last node of the noise is merged with what follows, such as a reshape to a latent with height and
    width, and the graph has no value of shape (batch, count) any more.
    """
    import onnx_ir as ir

    nodes = [node for node in model.graph if _module_path(node).partition(".")[0] == NOISE]
    if not nodes:
        return
    (noise,) = nodes[-1].outputs
    marked = ir.Value(name=_MARK, type=noise.type, shape=noise.shape)
    noise.replace_all_uses_with(marked)
    model.graph.insert_after(nodes[-1], ir.Node(_MARK, _MARK, [noise], outputs=[marked], name=_MARK))


def _name_noise(model: Any) -> None:
    """Remove the operator of `_mark_noise`, and name its input `NOISE`: FP32 of shape (batch, count)."""
    for node in [node for node in model.graph if node.domain == _MARK]:
        (noise,), (marked,) = node.inputs, node.outputs
        noise.name = NOISE
        marked.replace_all_uses_with(noise)
        model.graph.remove(node, safe=True)


def _module_path(node: Any) -> str:
    """Dotted path of the module that a node comes from, by the exporter's notes; "" if it comes from none."""
    scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
    return scopes[-2] if len(scopes) > 1 else ""


def _name_by_modules(graph: Any) -> None:
    """Prefix the name of every node with its module.

    Passes and precisions find noise and pixels by these names, and reports name layers by them.
    """
    for node in graph:
        node.name = node_name(_module_path(node), (node.name or node.op_type).removeprefix("node_"))


def _keep_names_apart(graph: Any, public: set[str]) -> None:
    # The exporter may give an inner value the name of an input or output, such as "embedding".
    for node in graph:
        for value in node.outputs:
            if value.name in public and not value.is_graph_output():
                value.name = f"inner.{value.name}"


def _check_contract(model: Any, signature: Signature) -> None:
    # Everything downstream is derived from the signature, so the graph must agree with it.
    for field, value in [
        *zip(signature.inputs, model.graph.input, strict=True),
        (signature.output, model.graph.output[0]),
    ]:
        tensor = value.type.tensor_type
        shape = tuple(extent.dim_value or -1 for extent in tensor.shape.dim)
        dtype = {7: "INT64", 1: "FP32", 2: "UINT8"}.get(tensor.elem_type)
        if value.name != field.name or dtype != field.dtype or shape != (-1, *field.shape):
            raise ExportError(
                f"the graph has {value.name!r} as {dtype} of shape {shape},"
                f" the signature says {field.name!r}: {field.allowed}"
            )


def _strip_notes(model: Any) -> None:
    # The exporter notes the source line of every node: paths of this machine, which differ between machines.
    model.graph.ClearField("doc_string")
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del value.metadata_props[:]


@contextmanager
def _quiet(torch: Any) -> Iterator[None]:
    # The exporter warns of a missing torchvision and of its own deprecations, which a user cannot fix, and prints the
    # graph if it fails.
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()), torch.inference_mode():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
