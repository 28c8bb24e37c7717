"""Graphs with their weights in files of their own, as the export makes them: read, write, and put into a bundle.

While a bundle is made, each large tensor is a file that is named by the hash of its content. So a graph pass writes
only what it has changed, equal weights are stored once, and the content of two graphs is equal only if their weights
are. In the bundle all weights of a graph are one file.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import BundleWriter
from ..bundle.external_graph import WEIGHTS_SUFFIX, ExternalGraph
from ..extras import require

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = [
    "MOST_BYTES",
    "WeightFolder",
    "add_graph",
    "checked",
    "content_of",
    "opened",
    "store_weights",
    "weights_bytes",
]

MOST_BYTES = (2 << 30) - (1 << 24)
"""Most bytes of weights in a graph that is one file: a message of protobuf has less than 2 GiB, and the rest of the
graph needs room."""

_LEAST_BYTES = 1 << 10
"""Smaller tensors stay in the graph: shapes are computed from them."""

_ALIGNMENT = 1 << 12
"""A tensor begins at a multiple of this, so that a runtime can map the file into memory."""

_CHUNK = 1 << 24


@dataclass(frozen=True)
class WeightFolder:
    """Where an export keeps the weights of graphs that do not fit into one file.

    Args:
        path: of the folder.
        always: whether those of graphs that would fit lie there too.
    """

    path: Path
    always: bool = False


def opened(graph: bytes, proto: onnx.ModelProto | None = None) -> ir.Model:
    """A graph as a model of onnx_ir; weights that lie beside it are read where they lie.

    Args:
        graph: content of its ONNX file.
        proto: what has become of that content; by default it is as it was.
    """
    onnx = require("onnx", "export")
    import onnx_ir as ir

    model = ir.from_proto(onnx.load_from_string(graph) if proto is None else proto)
    if isinstance(graph, ExternalGraph):
        ir.external_data.set_base_dir(model.graph, _folder(graph))
    return model


def content_of(model: ir.Model, before: bytes, *, check: bool = True) -> bytes:
    """Content of the ONNX file of a changed graph, checked.

    Args:
        model: the changed graph.
        before: the graph as it was; if its weights lie beside it, so do those of the changed graph.
        check: whether to check a graph that holds its weights itself.

    Raises:
        ValidationError, InferenceError: of onnx: the graph is not valid.
    """
    onnx = require("onnx", "export")
    import onnx_ir as ir

    if isinstance(before, ExternalGraph):
        store_weights(model, _folder(before))
        return checked(ir.to_proto(model), _folder(before))
    proto = ir.to_proto(model)
    if check:
        onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True)


def checked(model: onnx.ModelProto, folder: Path) -> ExternalGraph:
    """The content of a graph whose weights lie in `folder`, checked.

    Raises:
        ValidationError, InferenceError: of onnx: the graph is not valid.
    """
    onnx = require("onnx", "export")
    content = model.SerializeToString(deterministic=True)
    # The checker looks for the weights beside a file.
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".onnx") as file:
        file.write(content)
        file.flush()
        onnx.checker.check_model(file.name, full_check=True)
    return ExternalGraph(content, {name: folder / name for name in sorted(_locations(model))})


def weights_bytes(model: ir.Model) -> int:
    """Size of all weights of a model, in bytes."""
    values = model.graph.initializers.values()
    return sum(value.const_value.nbytes for value in values if value.const_value is not None)


def store_weights(model: ir.Model, folder: Path) -> None:
    """Move the large weights of a model that are in memory to files of a folder."""
    import onnx_ir as ir

    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is None or isinstance(tensor, ir.ExternalTensor) or tensor.nbytes < _LEAST_BYTES:
            continue
        if tensor.dtype == ir.DataType.STRING:
            continue
        content = tensor.tobytes()
        name = f"{hashlib.sha256(content).hexdigest()}{WEIGHTS_SUFFIX}"
        if not (folder / name).exists():
            (folder / name).write_bytes(content)
        value.const_value = ir.ExternalTensor(
            name,
            0,
            len(content),
            tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=value.name or "",
            base_dir=folder,
        )


def add_graph(writer: BundleWriter, relative: str, graph: bytes) -> None:
    """Write a graph into a bundle; weights that lie beside it become one file beside the graph's.

    Args:
        writer: of the bundle.
        relative: path of the graph's file in the bundle.
        graph: content of the file.
    """
    if not isinstance(graph, ExternalGraph):
        writer.add(relative, graph)
        return
    onnx = require("onnx", "export")
    model = onnx.load_from_string(graph)
    name, folder = f"{relative}{WEIGHTS_SUFFIX}", _folder(graph)
    offsets: dict[str, int] = {}
    end = 0
    for tensor in _external(model):
        entries = {entry.key: entry for entry in tensor.external_data}
        source = entries["location"].value
        if source not in offsets:
            offsets[source] = -(-end // _ALIGNMENT) * _ALIGNMENT
            end = offsets[source] + int(entries["length"].value)
        entries["offset"].value = str(offsets[source])
        entries["location"].value = Path(name).name
    writer.add_parts(name, _combined(folder, offsets))
    writer.add(relative, model.SerializeToString(deterministic=True))


def _combined(folder: Path, offsets: dict[str, int]) -> Iterator[bytes]:
    """The content of all files, each from its offset on."""
    position = 0
    for name, offset in offsets.items():
        yield bytes(offset - position)
        with (folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
            position = file.tell() + offset


def _folder(graph: ExternalGraph) -> Path:
    """The folder of the weights of a graph that an export made."""
    path = next(iter(graph.weights.values()))
    assert isinstance(path, Path), "the weights of a graph that is being exported are files"
    return path.parent


def _locations(model: onnx.ModelProto) -> set[str]:
    return {
        entry.value
        for tensor in _external(model)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _external(model: Any) -> Iterator[onnx.TensorProto]:
    external = require("onnx", "export").TensorProto.EXTERNAL
    return (tensor for tensor in model.graph.initializer if tensor.data_location == external)
