"""Flavour `onnxruntime`: one ONNX graph in Triton's own ONNX Runtime backend, in any container.

Its parameters are those of https://github.com/triton-inference-server/onnxruntime_backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ....bundle.manifest import Manifest, Variant
from ....errors import UsageError
from ..description import Description, ModelConfig, triton
from ..settings import ServingSettings
from ..warm_up import served_shapes
from . import base

__all__ = ["Flavour"]

_LEVELS = {"extended": 1, "basic": -1, "disabled": 2}
"""How far ONNX Runtime may optimise a graph -> `optimization.graph.level`, from the README of its Triton backend."""


class Flavour(base.Flavour):
    """One ONNX graph, in any Triton server with that backend."""

    name = "onnxruntime"
    summary = "one ONNX graph in any server"
    backend = "onnxruntime"
    file = "model.onnx"
    runtimes = ("onnxruntime",)
    # A current Triton serves it: there a limited queue wakes up.
    defaults = ServingSettings(max_queue_size=1024, queue_timeout_microseconds=30_000_000)

    @classmethod
    def check(cls, manifest: Manifest, variants: Sequence[Variant], settings: ServingSettings) -> None:
        """One graph of ONNX Runtime."""
        base.check_is_one_graph(cls.name, manifest, variants, "onnxruntime")
        base.refuse(
            cls.name,
            settings,
            batching=f"deploy it with flavour {base.USUAL!r}",
            cuda_graphs="it is for flavour 'tensorrt'",
        )
        if settings.tensorrt and any(variant.precision != "fp32" for variant in variants):
            raise UsageError(
                f"tensorrt was given, but {variants[0].name} is in {variants[0].precision}: TensorRT would also lower"
                " the layers that stay in FP32; serve an engine with flavour 'tensorrt', or the FP32 graph"
            )

    @classmethod
    def complete(cls, config: ModelConfig, description: Description) -> None:
        """Optimisation level, threads, and TensorRT as an accelerator."""
        (variant,) = description.variants
        if (level := variant.options.get("optimization")) is not None:
            # Triton's backend does not read the graph's metadata.
            config.optimization.graph.level = _LEVELS[level]
        if description.settings.threads is not None:
            config.parameters["intra_op_thread_count"].string_value = str(description.settings.threads)
            config.parameters["litho_threads"].string_value = str(description.settings.threads)
        if description.settings.tensorrt:
            _accelerate(config, description, (1, *description.batch_sizes[-2:]))

    @classmethod
    def forms(cls, config: ModelConfig, description: Description) -> dict[str, ModelConfig]:
        """For each kind of GPU that the bundle has engines for: this graph there; in FP32 compiled by TensorRT."""
        engines = {
            variant.target: variant.engine
            for variant in reversed(description.manifest.variants)
            if variant.engine is not None and variant.target is not None
        }
        forms: dict[str, ModelConfig] = {}
        for target, engine in sorted(engines.items()):
            form = triton.ModelConfig()
            form.CopyFrom(config)
            for group in form.instance_group:
                group.kind = triton.ModelInstanceGroup.Kind.Value("KIND_GPU")
            for key in ("intra_op_thread_count", "litho_threads"):
                form.parameters.pop(key, None)
            del form.optimization.execution_accelerators.gpu_execution_accelerator[:]
            least = min(profile[0] for profile in engine.profiles)
            best = max(profile[1] for profile in engine.profiles)
            limit = description.batch_limit
            forms[target] = form
            if description.variants[0].precision != "fp32":
                continue
            on_gpu = replace(description, settings=replace(description.settings, device="cuda", threads=None))
            _accelerate(form, on_gpu, (min(least, limit), min(best, limit), limit), target)
        return forms

    @classmethod
    def copies(cls, description: Description) -> dict[str, str]:
        """The graph, and its weights if they lie beside it: under the name that the graph has for them."""
        (variant,) = description.variants
        graph, *weights = variant.paths(description.manifest.files)
        return {cls.file: graph, **{PurePosixPath(path).name: path for path in weights}}


def _accelerate(
    config: ModelConfig, description: Description, batches: Sequence[int], target: str = ""
) -> None:
    """Let ONNX Runtime compile the graph with TensorRT once for all batches, and keep the engine."""
    (variant,) = description.variants
    record = description.manifest.files[variant.file]
    least, best, most = batches[0], batches[-2], batches[-1]
    usual, *_ = served_shapes(description.signature)
    free = {field.name: field.extreme_shapes for field in description.signature.inputs if field.free}
    smallest = {name: free[name][0] if name in free else shape for name, shape in usual.items()}
    largest = {name: free[name][1] if name in free else shape for name, shape in usual.items()}

    def listed(batch: int, values: dict[str, tuple[int, ...]]) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, (batch, *shape)))}" for name, shape in values.items())

    accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    parameters = {
        "precision_mode": "FP32",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": description.settings.engine_cache,
        # Engines of another graph or another kind of GPU are other files.
        "trt_engine_cache_prefix": "-".join(filter(None, ("litho", record.sha256[:16], target))),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": description.settings.engine_cache,
        "trt_profile_min_shapes": listed(least, smallest),
        "trt_profile_opt_shapes": listed(best, usual),
        "trt_profile_max_shapes": listed(most, largest),
    }
    for key, text in parameters.items():
        accelerator.parameters[key] = text
