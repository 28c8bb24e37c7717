from pathlib import Path

import pytest

from litho.bundle import Bundle, create_bundle
from litho.bundle.external_graph import ExternalGraph, graph_bytes, with_content
from litho.errors import IntegrityError

from .conftest import GRAPH, make

WEIGHTS = f"{GRAPH}.data"


def with_weights(to: Path, content: bytes) -> Bundle:
    """A bundle whose graph has weights beside it."""
    whole = Bundle.load(make(to.with_name("whole")))
    with create_bundle(to) as writer:
        for path in whole.manifest.files:
            writer.copy(whole, path)
        writer.add_parts(WEIGHTS, (content[index : index + 3] for index in range(0, len(content), 3)))
        writer.finish(**whole.manifest.model_dump(exclude={"files", "schema_version"}))
    return Bundle.load(to)


def test_a_graph_is_read_with_the_weights_that_lie_beside_it(tmp_path: Path) -> None:
    bundle = with_weights(tmp_path / "bundle", b"weights of a graph")
    (variant,) = bundle.manifest.variants
    assert variant.paths(bundle.manifest.files) == (GRAPH, WEIGHTS)
    graph = bundle.read_graph(variant)
    assert graph == b"a graph"
    assert isinstance(graph, ExternalGraph)
    assert graph.weights == {"generator.fp32.onnx.data": b"weights of a graph"}
    assert graph_bytes(graph) == variant.size_bytes(bundle.manifest.files) == 25
    assert type(Bundle.load(tmp_path / "whole").read_graph(variant)) is bytes


def test_another_content_keeps_the_weights(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    graph = ExternalGraph(b"graph", {"one": tmp_path / "one", "two": b"123"})
    other = with_content(graph, b"other graph")
    assert isinstance(other, ExternalGraph)
    assert (other, other.weights) == (b"other graph", graph.weights)
    assert graph_bytes(other) == 19
    assert type(with_content(b"graph", b"other")) is bytes
    assert graph_bytes(b"graph") == 5


@pytest.mark.parametrize("content", [b"weights of a Graph", b"weights of a graph, and more"])
def test_other_weights_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    bundle = with_weights(tmp_path / "bundle", b"weights of a graph")
    (bundle.path / WEIGHTS).write_bytes(content)
    (variant,) = bundle.manifest.variants
    with create_bundle(tmp_path / "copy") as writer, writer.scratch() as folder:
        (folder / "scratch").touch()
        for refused in (
            lambda: Bundle.load(bundle.path),
            lambda: bundle.read_graph(variant),
            lambda: writer.copy(bundle, WEIGHTS),
        ):
            with pytest.raises(IntegrityError, match=r"generator\.fp32\.onnx\.data has"):
                refused()
    assert not any(path.name.startswith(".") for path in (tmp_path / "copy").iterdir())
