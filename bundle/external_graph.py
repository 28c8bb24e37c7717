"""An ONNX graph whose large weights lie in files beside it, as those of a graph of 2 GiB or more have to.

ONNX calls them external data. The content of such a graph is small and goes wherever that of any graph goes. This
module knows neither onnx nor any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

__all__ = ["WEIGHTS_SUFFIX", "ExternalGraph", "graph_bytes", "with_content"]

WEIGHTS_SUFFIX = ".data"
"""In a bundle the weights of a graph are one file, whose name is that of the graph's file and this."""


class ExternalGraph(bytes):
    """Content of an ONNX file without its large weights.

    Args:
        content: of the file.
        weights: name of each file of weights, as the graph has it -> its path, or its content.
    """

    weights: Mapping[str, Path | bytes]

    def __new__(cls, content: bytes, weights: Mapping[str, Path | bytes]) -> Self:  # noqa: D102
        made = super().__new__(cls, content)
        made.weights = dict(weights)
        return made


def with_content(graph: bytes, content: bytes) -> bytes:
    """Another content of a graph that has the same weights beside it, if it has any."""
    return ExternalGraph(content, graph.weights) if isinstance(graph, ExternalGraph) else content


def graph_bytes(graph: bytes) -> int:
    """Size of a graph with all its weights, in bytes."""
    if not isinstance(graph, ExternalGraph):
        return len(graph)
    files = graph.weights.values()
    return len(graph) + sum(one.stat().st_size if isinstance(one, Path) else len(one) for one in files)
