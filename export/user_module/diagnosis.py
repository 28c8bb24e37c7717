"""Explain why a module cannot be exported: its part, line and operator, and what to change."""

from __future__ import annotations

import ast
import logging
import re
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from ...errors import ExportError
from .code_location import authored, location_in_notes, location_of, location_of_node

__all__ = [
    "Watch",
    "check_free_batch",
    "check_has_values",
    "check_module",
    "check_no_randomness",
    "complex_numbers",
    "depends_on_values",
    "explain",
    "non_finite_part",
]

_RANDOM_NODES = re.compile(r"Random(Normal|Uniform)(Like)?|Bernoulli|Multinomial")
_NOISE_RULE = (
    "a graph has no random state; let 'forward' take noise as an argument, which litho derives from the seed"
)
_COMPLEX_RULE = "which ONNX has for few operators; keep real and imaginary part as two real tensors"
_GROUPS_RULE = "scale what one convolution takes and gives, not its weights"


class Watch(TorchDispatchMode):
    """Context in which an operator that draws random numbers raises an `ExportError`.

    Args:
        module: the module whose parts are named.

    Attributes:
        read: location of the first read of a tensor's value, as by `if x.sum() > 0`; None without one.
        made: dtype -> location of the first operator that made a tensor of it.
    """

    supports_higher_order_operators = True

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self.read: str | None = None
        self.made: dict[torch.dtype, str] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, unless it is random."""
        if _is_random(func, args, kwargs or {}):
            raise ExportError(f"{func} draws random numbers{self._here()}: {_NOISE_RULE}")
        if func is torch.ops.aten._local_scalar_dense.default and self.read is None:
            self.read = self._here()
        output = func(*args, **(kwargs or {}))
        for tensor in _tensors(output):
            if tensor.dtype not in self.made:
                self.made[tensor.dtype] = self._here()
        return output

    def _here(self) -> str:
        return location_of(list(traceback.walk_stack(None))[::-1], self._module)


def _is_random(func: Any, args: Any, kwargs: Any) -> bool:
    if torch.Tag.nondeterministic_seeded not in getattr(func, "tags", ()):  # which `torch.cond` lacks
        return False
    names = [argument.name for argument in func._schema.arguments]
    # Attention is tagged as random because of its dropout only.
    return "dropout_p" not in names or dict(zip(names, args, strict=False), **kwargs).get("dropout_p", 0) != 0


def check_module(module: nn.Module) -> None:
    """Refuse a module whose export would make other pictures, or fail.

    Raises:
        ExportError: a part is in training mode or is TorchScript, or a weight has no values, is neither FP32 nor an
            integer, or is not finite.
    """
    own = authored(module)
    # An export in training mode succeeds, but BatchNorm and Dropout make another picture.
    for name, part in own.named_modules():
        if part.training:
            raise ExportError(
                f"the model is in training mode ({(name or type(part).__name__)!r}); call .eval() on it before it is"
                " exported"
            )
    for name, part in own.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise ExportError(
                f"{(name or type(part).__name__)!r} is TorchScript, which cannot be exported; build the Python module"
                " that it was made from, and give its weights"
            )
    for name, tensor in own.state_dict().items():
        check_has_values(name, tensor)
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_complex():
            raise ExportError(
                f"weight {name!r} is {kind}, and ONNX has no complex weights; keep real and imaginary part"
                " as two weights (torch.view_as_real)"
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ExportError(
                f"weight {name!r} is {kind}; exported weights must be FP32: call .float() on the model"
                " before it is exported"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ExportError(
                f"weight {name!r} holds NaN or infinite values; train again or take another snapshot"
            )


def check_has_values(name: str, tensor: Any) -> None:
    """Refuse a weight without memory, and an entry of the state dict that is no tensor.

    Raises:
        ExportError: the weight called `name` is on the device "meta", has no shape yet, or is not a tensor.
    """
    if not isinstance(tensor, torch.Tensor):
        raise ExportError(
            f"the state dict holds {name!r}, which is a {type(tensor).__name__} and no tensor, as of layers that torch"
            " quantized: build the model from FP32 layers; --precision int8 quantizes the graph, and proves it"
        )
    if is_lazy(tensor):
        raise ExportError(
            f"weight {name!r} has no shape yet, because its layer is lazy: call the model once on an example in"
            " 'build'"
        )
    if tensor.is_meta:
        raise ExportError(
            f"weight {name!r} has no values: it is on the device meta; build the model on the CPU"
        )


def check_no_randomness(graph: Any, module: nn.Module) -> None:
    """Refuse a graph that draws random numbers.

    Args:
        graph: of `onnx_ir`, with the exporter's notes on its nodes.
        module: the exported module.

    Raises:
        ExportError: it has such a node.
    """
    for node in graph:
        if _RANDOM_NODES.fullmatch(node.op_type):
            scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
            notes = node.metadata_props.get("pkg.torch.onnx.stack_trace", "")
            location = location_in_notes(module, scopes[-2] if len(scopes) > 1 else None, notes)
            raise ExportError(f"the graph draws random numbers by {node.op_type}{location}: {_NOISE_RULE}")


def check_free_batch(graph: Any, module: nn.Module, tensors: tuple[Any, ...], shapes: Any) -> None:
    """Refuse a graph with a fixed batch size, which the exporter makes if the module needs one.

    Args:
        graph: of `onnx_ir`.
        module: the exported module.
        tensors: its inputs at the export.
        shapes: their dynamic shapes for `torch.export`, with an automatic batch.

    Raises:
        ExportError: its first input has a constant batch.
    """
    if isinstance(graph.inputs[0].shape[0], int):
        raise ExportError(f"the batch size is fixed{_fixed_batch(module, tensors, shapes)}")


def _fixed_batch(module: nn.Module, tensors: tuple[Any, ...], shapes: Any) -> str:
    remedy = (
        "; take it from the input as x.shape[0], which len(x) is not, divide it by // rather than int(a / b), and"
        " neither branch nor loop on it"
    )
    watch = _ShapeWatch(module)
    try:
        with watch:
            graph = torch.export.export(module, tensors, dynamic_shapes=shapes).graph
    except Exception:
        return watch.location + remedy
    for node in graph.nodes:
        if _is_grouped_by_batch(node):
            return f" as a number of groups{location_of_node(node, module)}; {_GROUPS_RULE}"
    return watch.location + remedy


class _ShapeWatch(logging.Handler):
    """Context that notes where torch replaces a free extent by a number, which only torch's log says."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(logging.INFO)
        self._module, self.location = module, ""
        self._logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")

    def __enter__(self) -> None:
        logger = self._logger
        self._before = (logger.level, logger.propagate, logger.handlers, logging.root.manager.disable)
        logger.setLevel(logging.INFO)
        logger.propagate, logger.handlers = False, [self]
        logging.disable(logging.NOTSET)

    def __exit__(self, *error: object) -> None:
        level, self._logger.propagate, self._logger.handlers, disabled = self._before
        self._logger.setLevel(level)
        logging.disable(disabled)

    def emit(self, record: logging.LogRecord) -> None:
        """Note the location; called while the user's code is running."""
        # Torch also replaces the batches of several inputs by one symbol, which is not a number.
        if (
            not self.location
            and str(record.msg).startswith("set_replacement")
            and isinstance(record.args, tuple)
            and str(record.args[1]).isdigit()
        ):
            self.location = location_of(list(traceback.walk_stack(None))[::-1], self._module)


def explain(error: Exception, module: nn.Module) -> str:
    """Why an export or a call of `module` failed, in one line.

    Args:
        error: with its causes.
        module: the module that was exported or called.
    """
    causes = [error]
    while (cause := causes[-1].__cause__) is not None and isinstance(cause, Exception):
        causes.append(cause)
    last, text = causes[-1], "\n".join(str(cause) for cause in causes)
    frames = [pair for cause in causes for pair in traceback.walk_tb(cause.__traceback__)]
    node = _failed_node(frames)
    location = location_of(frames, module) if node is None else location_of_node(node, module)
    if node is not None and _is_complex(node):
        return f"operator {node.target} computes complex numbers{location}, {_COMPLEX_RULE}"
    if node is not None and _is_grouped_by_batch(node):
        return f"the batch size is fixed as a number of groups{location}; {_GROUPS_RULE}"
    if unsupported := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", text):
        return f"operator {unsupported[1]} has no ONNX equivalent{location}; {_remedy(unsupported[1])}"
    if type(last).__name__ == "UnsupportedOperatorException":
        name = str(last).partition("\n")[0]
        return f"operator {name} cannot be exported{location}; replace it by other operators"
    # Reading a tensor's value during the export fails on a symbol.
    if re.search("data-dependent|SymBool|SymFloat", text) or "DataDependent" in type(last).__name__:
        return depends_on_values(location)
    line = next((line.strip() for line in str(last).splitlines() if line.strip()), "without a message")
    return f"{type(last).__name__}: {line}{location}"


def _remedy(operator: str) -> str:
    if "linalg" in operator or "inverse" in operator:  # of a flow's weights, mostly
        return (
            "if it takes weights only, compute it when the module is built and keep it as a buffer; if not, replace it"
            " by other operators"
        )
    return "replace it by other operators"


def complex_numbers(program: Any, module: nn.Module) -> str | None:
    """Where a module computes complex numbers first, from `location_of_node`; None if it does not.

    The exporter takes some operators for those of real numbers, so that a graph is made, and is wrong.

    Args:
        program: the exporter's.
        module: the exported module.
    """
    exported = program.exported_program
    nodes = () if exported is None else exported.graph.nodes
    return next((location_of_node(node, module) for node in nodes if _is_complex(node)), None)


def _is_complex(node: torch.fx.Node) -> bool:
    """Whether a node takes or gives complex numbers."""
    values = [one.meta.get("val") for one in (node, *node.all_input_nodes)]
    return any(tensor.is_complex() for tensor in _tensors(values))


def _failed_node(frames: Iterable[tuple[FrameType, int]]) -> torch.fx.Node | None:
    """The node that could not be translated, from the exporter's frames."""
    held = (frame.f_locals.get("node") for frame, _ in frames)
    return next((node for node in held if isinstance(node, torch.fx.Node)), None)


def _is_grouped_by_batch(node: torch.fx.Node) -> bool:
    """Whether it is a grouped convolution with one group per picture, as in a fused StyleGAN."""
    return "conv" in str(node.target) and any(isinstance(given, torch.fx.Node) for given in node.args[6:])


def depends_on_values(location: str) -> str:
    """Message about control flow that depends on tensor values, at a location from `location_of`."""
    return (
        f"control flow depends on tensor values{location}; compute both branches and select with"
        " torch.where, or decide when the model is built"
    )


def non_finite_part(module: nn.Module, run: Any) -> str:
    """Name of the first part of `module` whose output is not finite during `run()`; "" if there is none."""
    found: list[str] = []
    handles = [
        part.register_forward_hook(_watch(name or type(part).__name__, found))
        for name, part in authored(module).named_modules()
    ]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return next(iter(found), "")


def _watch(name: str, found: list[str]) -> Any:
    def hook(part: nn.Module, given: Any, output: Any) -> None:
        if any(tensor.is_floating_point() and not tensor.isfinite().all() for tensor in _tensors(output)):
            found.append(name)

    return hook


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _tensors(part)
