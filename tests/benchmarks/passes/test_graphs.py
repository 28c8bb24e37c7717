"""The graphs of the benchmark of passes."""

from collections.abc import Callable
from functools import partial

import onnx
import pytest

from litho.benchmarks.passes import graphs


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (partial(graphs.dcgan, 4), (3, 64, 64)),
        (partial(graphs.equalised, 4), (3, 32, 32)),
        (partial(graphs.spectral, 4), (3, 16, 16)),
        (partial(graphs.conditional_gan, 4), (1, 32, 32)),
        (partial(graphs.upsampled, (8, 1), 4), (1, 8, 8)),
        (partial(graphs.upsampled, (8, 1), 4, kernel=5, scale=4), (1, 16, 16)),
    ],
)
def test_graphs_give_pictures_of_their_size(build: Callable[[], bytes], shape: tuple[int, ...]) -> None:
    (output,) = onnx.load_from_string(build()).graph.output
    assert tuple(one.dim_value for one in output.type.tensor_type.shape.dim)[1:] == shape
