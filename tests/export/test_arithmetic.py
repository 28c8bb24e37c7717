"""Multiply-adds of graphs, against torch's own counter of floating-point operations: two for each multiply-add."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from litho.errors import ExportError
from litho.export.arithmetic import much_arithmetic, multiply_adds, share
from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.pipeline import Pipeline
from litho.export.precisions import Lowering, precision
from litho.signature import Signature
from litho.signature.fields import image_output, source_field
from litho.training.models import family_names
from litho.training.networks.pixel_model import PixelModel

from ..smallest import smallest_generator

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def _counted(call: Callable[[], Any]) -> dict[str, int]:
    """Module -> multiply-adds in it and in its parts; "Global" of all."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return {name: sum(counts.values()) // 2 for name, counts in counter.get_flop_counts().items()}


def _node(
    kind: str, shapes: Sequence[Sequence[int | str]], weights: Sequence[int] | None = None, **attributes: Any
) -> onnx.ModelProto:
    """A graph of one layer; its last operand is a constant if `weights` gives its shape."""
    names = [f"x{number}" for number in range(len(shapes))]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(names, shapes, strict=True)
    ]
    constants = [numpy_helper.from_array(np.zeros(weights, np.float32), "w")] if weights is not None else []
    layer = helper.make_node(kind, [*names, *(["w"] if constants else [])], ["y"], name="layer", **attributes)
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    return helper.make_model(helper.make_graph([layer], "one", inputs, output, constants))


@pytest.mark.parametrize(("width", "much"), [(999, False), (1000, True)])
def test_the_arithmetic_of_all_stages_counts(width: int, much: bool) -> None:
    """500 rows by 1,000 columns by the width is half a thousand million in each of two stages."""
    graph = _node("MatMul", [(500, 1000)], (1000, width)).SerializeToString()
    assert much_arithmetic([graph, graph]) is much
    assert much_arithmetic([graph]) is False


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (1, 1, 0), (5, 3, 0)])
def test_convolutions(groups: int, kernel: int, stride: int, padding: int) -> None:
    attributes = {
        "strides": [stride] * 2,
        "pads": [padding] * 4,
        "group": groups,
        "kernel_shape": [kernel] * 2,
    }
    keys: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups}
    x = torch.zeros(1, 4, 9, 11)
    there, back = torch.zeros(6, 4 // groups, kernel, kernel), torch.zeros(4, 6 // groups, kernel, kernel)
    wanted = _counted(lambda: functional.conv2d(x, there, **keys))["Global"]
    assert multiply_adds(_node("Conv", [["batch", 4, 9, 11]], there.shape, **attributes)) == {"layer": wanted}
    wanted = _counted(lambda: functional.conv_transpose2d(x, back, **keys))["Global"]
    found = multiply_adds(_node("ConvTranspose", [["batch", 4, 9, 11]], back.shape, **attributes))
    assert found == {"layer": wanted}


@pytest.mark.parametrize("turned", [0, 1])
def test_matrix_products(turned: int) -> None:
    weights = (7, 5) if turned else (5, 7)
    wanted = _counted(lambda: torch.zeros(1, 5) @ torch.zeros(5, 7))["Global"]
    assert multiply_adds(_node("Gemm", [["batch", 5]], weights, transB=turned)) == {"layer": wanted}
    wanted = _counted(lambda: torch.zeros(3, 4, 5) @ torch.zeros(3, 5, 6))["Global"]
    assert multiply_adds(_node("MatMul", [["batch", 3, 4, 5], ["batch", 3, 5, 6]])) == {"layer": wanted}
    assert multiply_adds(_node("Gemm", [[5, 1]], (5, 7), transA=1)) == {"layer": 35}


def test_noise_and_pixels_have_no_layers_and_an_unknown_shape_is_an_error() -> None:
    model = _node("MatMul", [["batch", 5]], (5, 7))
    model.graph.node[0].name = "noise/MatMul"
    assert multiply_adds(model) == {}
    with pytest.raises(ExportError, match=r"'x0' in layer 'layer' cannot be inferred") as refused:
        multiply_adds(_node("Conv", [["batch", 4, "height", "width"]], (6, 4, 3, 3)))
    assert "\n" not in str(refused.value)


def test_what_follows_a_group_norm_has_a_shape() -> None:
    model = _node("Conv", [["batch", 4, 8, 8]], (6, 4, 3, 3))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "ones"))
    norm = helper.make_node("GroupNormalization", ["x0", "ones", "ones"], ["normal"], num_groups=2)
    model.graph.node[0].input[0] = "normal"
    model.graph.node.insert(0, norm)
    assert multiply_adds(model) == {"layer": 6 * 6 * 6 * 4 * 9}


def test_a_share_is_of_the_arithmetic_and_not_of_the_layers() -> None:
    counts = {"small": 10, "large": 90}
    assert share(counts, {"small"}) == 0.1
    assert share(counts, {"large", "elsewhere"}) == 0.9
    assert share({}, {"small"}) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", family_names())
def test_every_family_has_as_many_as_torch_counts(name: str) -> None:
    generator = smallest_generator(name)
    pipeline = Pipeline.of(PixelModel(*next(iter(generator.forms(generator.signature()).values()))).eval())
    for module, signature in pipeline.stages.values():
        graph = export_graph(module, signature, {})
        inputs = [torch.from_numpy(array) for array in signature.example(batch=1).values()]
        wanted = _counted(lambda module=module, inputs=inputs: module(*inputs))
        found = multiply_adds(onnx.load_from_string(graph))
        assert sum(found.values()) == wanted.pop("Global", 0)
        # The exporter names a convolution after the normalisation that it folds into it, so only counts are compared.
        layers = [part for part, inner in module.named_modules() if isinstance(inner, LAYERS)]
        counts = Counter(wanted.get(f"{type(module).__name__}.{part}", 0) for part in layers)
        assert not counts - Counter([0, *found.values()] + [0] * len(layers))
        # Casts and changed types hide no layer.
        changed, _ = apply_passes(graph, default_passes())
        half = precision("fp16").lower(Lowering(changed))
        assert multiply_adds(onnx.load_from_string(half)) == multiply_adds(onnx.load_from_string(changed))


class _Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        images = inputs[0].float().permute(0, 3, 1, 2) / 255
        made = functional.pixel_shuffle(self.conv(images), 2) * 255
        return made.clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


@pytest.mark.slow
def test_of_a_free_size_the_usual_one_counts() -> None:
    fixed = Signature(inputs=(source_field(16, 12, 3),), output=image_output(32, 24, 3))
    graph = export_graph(_Doubled().eval(), fixed.with_free_size(8, 64, 2), {})
    found = multiply_adds(onnx.load_from_string(graph))
    assert list(found.values()) == [16 * 12 * 12 * 27]
