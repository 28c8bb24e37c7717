"""Build engines of TensorRT and TensorRT-RTX from ONNX graphs, and read back the precision of their layers.

Networks are strongly typed: the graph decides the precision, and the builder has no switch for it. The precision is
read back from each engine, because a graph that is still in FP32 builds under any name.
"""

from .build import build_engine, engine_environment
from .options import TARGETS, EngineOptions
from .readback import check_precisions

__all__ = ["TARGETS", "EngineOptions", "build_engine", "check_precisions", "engine_environment"]
