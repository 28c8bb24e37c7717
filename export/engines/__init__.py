"""ONNX graph -> engine of TensorRT or TensorRT-RTX, with what it really computes in read back from it.

Precision is a property of the graph: networks are strongly typed, and there is no precision switch to set. Which
is why each engine is read back: a graph that stayed in FP32 builds without complaint under any name.
"""

from .build import BuiltEngine, build_engine, engine_environment, present_device
from .options import TARGETS, EngineOptions
from .readback import Layer, ReadBack, check_precisions

__all__ = [
    "TARGETS",
    "BuiltEngine",
    "EngineOptions",
    "Layer",
    "ReadBack",
    "build_engine",
    "check_precisions",
    "engine_environment",
    "present_device",
]
