"""Operations and bytes of graphs against sums done by hand; `test_forms` holds them against torch's own counter."""

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from litho.benchmarks.roofline.ceilings import Kernel, kernel_graph
from litho.benchmarks.roofline.work import Work, work_of

CONVOLUTION = Kernel(channels=4, side=8, window=3, batch=2)
PRODUCT = Kernel(channels=16, side=0, window=1, batch=2)
LAYERS = 4


@pytest.mark.parametrize(
    ("name", "runtime", "stored", "first", "between", "last"),
    [
        ("fp32", "onnxruntime", 4, 4, 4, 4),
        ("bf16", "openvino", 2, 2, 2, 2),
        ("int8", "onnxruntime", 1, 1, 1, 4),
        ("int8", "openvino", 1, 1, 1, 4),
    ],
)
def test_bytes_are_those_of_what_is_stored(
    name: str, runtime: str, stored: int, first: int, between: int, last: int
) -> None:
    work = work_of(kernel_graph(CONVOLUTION, name, runtime))
    elements, weights = 4 * 8 * 8, 4 * 4 * 3 * 3
    assert work.operations == {name: CONVOLUTION.operations / CONVOLUTION.batch}
    assert work.weight_bytes == LAYERS * weights * stored
    moved = elements * (first + 2 * (LAYERS - 1) * between)
    assert moved + elements * between <= work.activation_bytes <= moved + elements * last
    assert work.largest_bytes <= elements * (between + last)


def test_a_dynamic_product_has_no_weights() -> None:
    names = ("a", "b")
    node = helper.make_node("MatMul", list(names), ["c"], name="part/MatMul")
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 4]) for name in names]
    output = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 4, 4])
    work = work_of(helper.make_model(helper.make_graph([node], "one", inputs, [output])))
    assert work == Work(
        operations={"fp32": 128}, weight_bytes=0, activation_bytes=3 * 64, largest_bytes=3 * 64
    )


def test_a_runtime_may_be_told_to_lower_what_is_fp32() -> None:
    graph = kernel_graph(PRODUCT, "fp32", "openvino")
    assert set(work_of(graph, lowered_to="bf16").operations) == {"bf16"}


def test_weights_count_once_and_activations_for_each_picture() -> None:
    work = Work(operations={"fp32": 100}, weight_bytes=1000, activation_bytes=10, largest_bytes=4)
    assert [work.bytes(batch) for batch in (1, 100)] == [1010, 2000]
    assert [work.working_set(batch) for batch in (1, 100)] == [1004, 1400]
    assert work.intensity(100) == pytest.approx(5)


def test_a_graph_without_products_has_no_work() -> None:
    node = helper.make_node("Add", ["x", "one"], ["y"], name="part/Add")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    one = numpy_helper.from_array(onnx.numpy_helper.to_array(helper.make_tensor("one", 1, [1], [1.0])), "one")
    work = work_of(helper.make_model(helper.make_graph([node], "one", inputs, [output], [one])))
    assert (work.all_operations, work.bytes(8), work.intensity(8)) == (0, 0, 0)
