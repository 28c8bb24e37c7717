from pathlib import Path

import numpy as np
import onnx
import pytest

from litho.bundle import Bundle
from litho.export.passes import apply_passes
from litho.export.source import open_source
from litho.export.validation.activations import output_of_module, values_of_graph, values_of_module


def test_graph_and_module_give_the_same_values_at_every_part(run: Path, bundle: Path) -> None:
    pipeline, opened = open_source(run).pipeline, Bundle.load(bundle)
    module, signature = pipeline.stages["generator"]
    (variant,) = opened.manifest.variants
    graph = onnx.load_from_string(opened.read(variant.file))
    inputs = signature.example(3)
    given = [inputs[field.name] for field in signature.inputs]
    parts = values_of_module(module, pipeline.model, given, graph.graph.node)
    values = values_of_graph(graph, [*parts, "absent"], inputs, signature)
    (output,) = {value.name for value in graph.graph.output if not value.name.startswith("litho.")}
    made = values_of_graph(graph, [output], inputs, signature)[output]
    wanted = output_of_module(pipeline.model, given)
    assert made.shape == wanted.shape == (3, *pipeline.signature.output.usual_shape)
    np.testing.assert_allclose(made.sample, wanted.sample, atol=1)
    assert len(values) > 3
    assert values.keys() <= parts.keys()
    for name, value in values.items():
        assert value.shape[0] == 3
        if value.shape == parts[name].shape:
            np.testing.assert_allclose(value.sample, parts[name].sample, atol=2e-3)


def test_a_graph_that_takes_noise_has_the_values_of_one_that_takes_the_seed(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    (variant,) = opened.manifest.variants
    content, signature = opened.read(variant.file), opened.manifest.signature
    outside, changed = apply_passes(content, ["noise_outside"])
    assert changed == {"noise_outside": 1}
    graphs = [onnx.load_from_string(one) for one in (content, outside)]
    (names,) = {tuple(output.name for output in graph.graph.output) for graph in graphs}
    first, second = (values_of_graph(graph, names, signature.example(2), signature) for graph in graphs)
    np.testing.assert_allclose(first[names[0]].sample, second[names[0]].sample, atol=1)


@pytest.mark.parametrize("side", [1, 64, 128, 181, 182, 512])
def test_a_sample_is_taken_at_odd_steps_over_the_whole_value(side: int) -> None:
    helper, shape = onnx.helper, [1, 2, side, side]
    node = helper.make_node("Relu", ["x"], ["y"], "relu")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    value = values_of_graph(model, ["y"], {"x": x}, None)["y"]  # pyright: ignore[reportArgumentType]
    (step,) = set(np.diff(value.sample).tolist())
    assert value.shape == tuple(shape)
    assert step % 2 == 1
    assert len(value.sample) >= min(x.size, 2 / 3 * (1 << 14))
    assert value.sample[-1] >= x.size - step
