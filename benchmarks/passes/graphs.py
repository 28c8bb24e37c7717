"""Graphs on which `benchmarks.passes` measures: generators as others export them, and single layers.

They are made from ONNX operators with random weights, without PyTorch: speed does not depend on what the weights hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extras import require

__all__ = ["conditional_gan", "dcgan", "equalised", "spectral", "upsampled"]

_OPSET, _IR_VERSION = 21, 10
_LATENT = 100
_CLASSES = 10


class _Graph:
    """A graph in the making: operators are added one after the other.

    Args:
        inputs: name -> shape without the batch; () is an INT64 label.
    """

    def __init__(self, inputs: dict[str, tuple[int, ...]]) -> None:
        self._onnx = require("onnx", "export")
        self._inputs = inputs
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._random = np.random.default_rng(0)

    def weights(self, *shape: int) -> str:
        """A constant of small random numbers, FP32."""
        return self.constant((self._random.standard_normal(shape) * 0.05).astype(np.float32))

    def constant(self, content: NDArray[Any]) -> str:
        """A constant."""
        name = f"c{len(self._constants)}"
        self._constants[name] = content
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operator."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def norm(self, features: str, channels: int) -> str:
        """Batch normalisation and a ReLU."""
        scale, shift, mean = (self.weights(channels) for _ in range(3))
        variance = self.constant(np.ones(channels, np.float32))
        return self.add("Relu", self.add("BatchNormalization", features, scale, shift, mean, variance))

    def enlarge(self, features: str, before: int, after: int) -> str:
        """A transposed convolution of 4x4 that doubles the side; the noise, whose side is 1, becomes 4x4."""
        weights = self.weights(before, after, 4, 4)
        strides, pads = ([1, 1], [0] * 4) if features == "z" else ([2, 2], [1] * 4)
        return self.add("ConvTranspose", features, weights, strides=strides, pads=pads)

    def build(self, output: str) -> bytes:
        """The content of the ONNX file, checked."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        given = [
            helper.make_tensor_value_info(name, kinds.FLOAT if shape else kinds.INT64, ["batch", *shape])
            for name, shape in self._inputs.items()
        ]
        made = helper.make_tensor_value_info(output, kinds.FLOAT, None)
        constants = [
            self._onnx.numpy_helper.from_array(content, name) for name, content in self._constants.items()
        ]
        graph = helper.make_graph(self._nodes, "graph", given, [made], constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        model = self._onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        self._onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def dcgan(width: int) -> bytes:
    """Radford et al. (2016): noise as a 1x1 picture, five transposed convolutions up to 64x64x3.

    Args:
        width: channels of the last hidden layer.
    """
    graph = _Graph({"z": (_LATENT, 1, 1)})
    features, before = "z", _LATENT
    for channels in (8 * width, 4 * width, 2 * width, width, 3):
        features = graph.enlarge(features, before, channels)
        features = graph.norm(features, channels) if channels > 3 else graph.add("Tanh", features)
        before = channels
    return graph.build(features)


def equalised(width: int) -> bytes:
    """Layers with equalised learning rates (weight * scale in every call), as in StyleGAN2, up to 32x32x3."""
    graph = _Graph({"z": (width, 4, 4)})

    def weights(*shape: int) -> str:
        scale = graph.constant(np.array((shape[1] * shape[2] * shape[3]) ** -0.5, np.float32))
        return graph.add("Mul", graph.weights(*shape), scale)

    return graph.build(_growing(graph, width, 3, weights))


def spectral(width: int) -> bytes:
    """Layers with a spectral norm of their own: weight / (u W v) in every call, as in BigGAN, up to 16x16x3."""
    graph = _Graph({"z": (width, 4, 4)})

    def weights(*shape: int) -> str:
        whole = graph.weights(*shape)
        rows = graph.add("Reshape", whole, graph.constant(np.array([shape[0], -1])))
        left, right = graph.weights(1, shape[0]), graph.weights(int(np.prod(shape[1:])), 1)
        sigma = graph.add("MatMul", graph.add("MatMul", left, rows), right)
        return graph.add("Div", whole, graph.add("Reshape", sigma, graph.constant(np.array([1]))))

    return graph.build(_growing(graph, width, 2, weights))


def _growing(graph: _Graph, width: int, doublings: int, weights: Callable[..., str]) -> str:
    """Two convolutions of 3x3 at each size from 4x4 on, then one to RGB."""
    features = "z"
    for size in range(doublings + 1):
        if size:
            features = _doubled(graph, features, 2)
        for _ in range(2):
            features = graph.add("Conv", features, weights(width, width, 3, 3), pads=[1] * 4)
            features = graph.add("LeakyRelu", features, alpha=0.2)
    return graph.add("Conv", features, weights(3, width, 1, 1))


def _doubled(graph: _Graph, features: str, scale: int) -> str:
    scales = graph.constant(np.array([1, 1, scale, scale], np.float32))
    return graph.add(
        "Resize",
        features,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def upsampled(channels: Sequence[int], side: int, kernel: int = 3, scale: int = 2) -> bytes:
    """A 3x3 convolution, nearest upsampling, and the convolution that the pass `upsample` replaces.

    Args:
        channels: before and after the last convolution.
        side: height and width before the upsampling.
        kernel: of the last convolution.
        scale: of the upsampling.
    """
    before, after = channels
    graph = _Graph({"z": (before, side, side)})
    features = graph.add("Conv", "z", graph.weights(before, before, 3, 3), pads=[1] * 4)
    features = _doubled(graph, graph.add("Relu", features), scale)
    return graph.build(
        graph.add("Conv", features, graph.weights(after, before, kernel, kernel), pads=[kernel // 2] * 4)
    )


def conditional_gan(width: int) -> bytes:
    """A conditional generator of 32x32x1: transposed convolutions, each with a gain and bias of the class."""
    graph = _Graph({"z": (_LATENT, 1, 1), "label": ()})
    features, before = "z", _LATENT
    for channels in (4 * width, 2 * width, width):
        features = graph.enlarge(features, before, channels)
        shape = graph.constant(np.array([-1, channels, 1, 1]))
        gain, shift = (
            graph.add("Reshape", graph.add("Gather", graph.weights(_CLASSES, channels), "label"), shape)
            for _ in range(2)
        )
        features = graph.add("Relu", graph.add("Add", graph.add("Mul", features, gain), shift))
        before = channels
    return graph.build(graph.add("Tanh", graph.enlarge(features, before, 1)))
