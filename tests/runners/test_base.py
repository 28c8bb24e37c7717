import pytest

from litho.errors import UnknownName
from litho.runners.base import engine_libraries, graph_runtimes, library_of, runtime_names


def test_runtimes_are_the_runners_that_variants_are_exported_for_graphs_first() -> None:
    assert runtime_names() == ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")
    assert graph_runtimes() == {"onnxruntime": (), "openvino": ("noise_outside",)}
    assert [library.title for library in engine_libraries().values()] == ["TensorRT", "TensorRT-RTX"]


@pytest.mark.parametrize("name", ["onnxruntime", "nothing"])
def test_a_runtime_without_engines_has_no_library(name: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown engine runtime '{name}'"):
        library_of(name)
