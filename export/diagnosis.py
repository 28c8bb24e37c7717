"""Why a module cannot be exported: in which of its parts, at which line, by which operator, and what to change."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import ExportError
from ..training.models.base import Generator
from ..training.picture import Picture

__all__ = [
    "Watch",
    "check_module",
    "check_no_randomness",
    "depends_on_values",
    "explain",
    "non_finite_part",
    "place_of",
]

_NOT_THE_USER_S = (
    f"{Path(torch.__file__).parent}{os.sep}",
    f"{Path(__file__).parent}{os.sep}",
    inspect.getfile(Picture),
)
_RANDOM_NODES = re.compile(r"Random(Normal|Uniform)(Like)?|Bernoulli|Multinomial")
_NOISE_RULE = (
    "a graph has no seed of its own; let 'forward' take noise as an argument, which litho makes of the seed"
)


class Watch(TorchDispatchMode):
    """While it is entered, an operator that draws random numbers raises an `ExportError`.

    Args:
        module: whose parts are named.

    Attributes:
        read: where a value was first read out of a tensor, as by `if x.sum() > 0`; None where none was.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self.read: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, unless it is random."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise ExportError(f"{func} draws random numbers{self._here()}: {_NOISE_RULE}")
        if func is torch.ops.aten._local_scalar_dense.default and self.read is None:
            self.read = self._here()
        return func(*args, **(kwargs or {}))

    def _here(self) -> str:
        return place_of(list(traceback.walk_stack(None))[::-1], self._module)


def check_module(module: nn.Module) -> None:
    """Refuse what would be exported as something else than it is.

    Raises:
        ExportError: a part is in training mode, or a weight is neither FP32 nor an integer, or is not finite.
    """
    # Export would go through and quietly change BatchNorm and Dropout: the picture would be another one.
    own = _authored(module)
    for name, part in own.named_modules():
        if part.training:
            raise ExportError(
                f"the model is in training mode ({(name or type(part).__name__)!r}); call .eval() on it before it is"
                " exported"
            )
    for name, tensor in own.state_dict().items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_complex():
            raise ExportError(
                f"weight {name!r} is {kind}, and ONNX has no complex weights; keep real and imaginary part"
                " as two weights (torch.view_as_real)"
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ExportError(
                f"weight {name!r} is {kind}; what is exported is proven against FP32: call .float() on the"
                " model before it is exported"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ExportError(
                f"weight {name!r} holds NaN or infinite values; train again or take another snapshot"
            )


def check_no_randomness(graph: Any, module: nn.Module) -> None:
    """Refuse a graph that draws random numbers.

    Args:
        graph: of `onnx_ir`, with the exporter's notes on its nodes.
        module: that it was made from.

    Raises:
        ExportError: it has such a node.
    """
    for node in graph:
        if _RANDOM_NODES.fullmatch(node.op_type):
            scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
            notes = node.metadata_props.get("pkg.torch.onnx.stack_trace", "")
            place = _place_in_notes(module, scopes[-2] if len(scopes) > 1 else None, notes)
            raise ExportError(f"the graph draws random numbers by {node.op_type}{place}: {_NOISE_RULE}")


def explain(error: Exception, module: nn.Module) -> str:
    """What went wrong in an export or a run of `module`, in one line.

    Args:
        error: with the errors that it was raised from.
        module: what was exported or run.
    """
    causes = [error]
    while (cause := causes[-1].__cause__) is not None and isinstance(cause, Exception):
        causes.append(cause)
    last = causes[-1]
    text = "\n".join(str(cause) for cause in causes)
    if unsupported := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", text):
        place = _place_of_node(causes, module)
        return f"operator {unsupported[1]} has no ONNX form{place}; put it in other operators"
    place = place_of([pair for cause in causes for pair in traceback.walk_tb(cause.__traceback__)], module)
    if "data-dependent" in text or "DataDependent" in type(last).__name__:
        return depends_on_values(place)
    line = next((line.strip() for line in str(last).splitlines() if line.strip()), "")
    return f"{type(last).__name__}: {line or 'without a message'}{place}"


def depends_on_values(place: str) -> str:
    """What to say of control flow that depends on data, `place` being where, as by `place_of`."""
    return (
        f"the way through the model depends on values that only a run knows{place}; compute both ways and choose by"
        " torch.where, or decide it when the model is built"
    )


def place_of(frames: Iterable[tuple[FrameType, int]], module: nn.Module) -> str:
    """Where in the user's code it happened, such as " in 'blocks.3' (Block) at net.py:12 `x = x.view(2, -1)`".

    Args:
        frames: of the calls with their lines, outermost first.
        module: whose parts are named.
    """
    names = _names(module)
    part = line = ""
    for frame, number in frames:
        owner, file = frame.f_locals.get("self"), frame.f_code.co_filename
        if id(owner) in names:
            part = names[id(owner)]
        if Path(file).is_file() and not file.startswith(_NOT_THE_USER_S):
            line = _line(file, number, linecache.getline(file, number))
    return part + line


def _place_of_node(causes: Iterable[Exception], module: nn.Module) -> str:
    """The same of the node that could not be translated: the exporter's own frames hold it."""
    for cause in causes:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            node = frame.f_locals.get("node")
            if isinstance(node, torch.fx.Node) and node.meta.get("stack_trace"):
                owners = list((node.meta.get("nn_module_stack") or {}).values())
                return _place_in_notes(module, owners[-1][0] if owners else None, node.meta["stack_trace"])
    return ""


def _place_in_notes(module: nn.Module, path: str | None, notes: str) -> str:
    """The same from what the exporter notes: the path of the part in `module`, and the lines of the calls."""
    part = dict(module.named_modules()).get(path) if path is not None else None
    found = re.findall(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)', notes)
    lines = [_line(*entry) for entry in found if not entry[0].startswith(_NOT_THE_USER_S)]
    return _names(module).get(id(part), "") + (lines[-1] if lines else "")


def _names(module: nn.Module) -> dict[int, str]:
    """Identity of each part -> where it is, in words."""
    return {
        id(part): f" in {name!r} ({type(part).__name__})" if name else f" in {type(part).__name__}"
        for name, part in _authored(module).named_modules()
    }


def _authored(module: nn.Module) -> nn.Module:
    """The module as its author knows it, whose names are those in the file of its weights."""
    if isinstance(module, Picture):
        module = module.generator
    return getattr(module, "foreign", module) if isinstance(module, Generator) else module


def _line(file: str, number: int | str, text: str) -> str:
    relative = os.path.relpath(file)
    return f" at {file if relative.startswith('..') else relative}:{number} `{text.strip()}`"


def non_finite_part(module: nn.Module, run: Any) -> str:
    """Name of the first part of `module` whose output is not finite while `run` is called; "" where none is."""
    found: list[str] = []
    handles = [
        part.register_forward_hook(_watch(name or type(part).__name__, found))
        for name, part in _authored(module).named_modules()
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
