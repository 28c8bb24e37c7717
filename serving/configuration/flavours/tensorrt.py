"""Flavour `tensorrt`: one engine in Triton's own TensorRT backend, in the container of the engine's TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....bundle.engine_record import EngineRecord
from ....bundle.manifest import Manifest, Variant
from ....errors import UsageError
from ..description import Description, ModelConfig, triton
from ..settings import ServingSettings
from ..warm_up import served_shapes
from . import base

__all__ = ["TENSORRT_PARAMETER", "Flavour"]

TENSORRT_PARAMETER = "litho_tensorrt"
"""Parameter of a configuration with the version of TensorRT that its engine needs."""


class Flavour(base.Flavour):
    """One TensorRT engine, on the kind of GPU that it was built for."""

    name = "tensorrt"
    summary = "one engine on its GPU"
    backend = "tensorrt"
    platform = "tensorrt_plan"
    file = "model.plan"
    runtimes = ("tensorrt",)
    portable = False
    defaults = ServingSettings(
        device="cuda",
        instance_count=1,
        cuda_graphs=True,
        max_queue_size=1024,
        queue_timeout_microseconds=30_000_000,
    )

    @classmethod
    def takes(cls, variant: Variant) -> bool:
        """Whether it is a finished engine of TensorRT."""
        return super().takes(variant) and variant.engine is not None

    @classmethod
    def check(cls, manifest: Manifest, variants: Sequence[Variant], settings: ServingSettings) -> None:
        """One finished engine of TensorRT, on a GPU."""
        for variant in variants:
            if variant.runtime == "tensorrt-rtx":
                raise UsageError(
                    f"variant {variant.name!r} is an engine of TensorRT for RTX, which Triton's TensorRT backend does"
                    f" not run; deploy it with flavour {base.USUAL!r}, or build one with 'litho build-engine"
                    " --runtime tensorrt'"
                )
        base.check_is_one_graph(cls.name, manifest, variants, "tensorrt")
        for variant in variants:
            if variant.engine is None:
                raise UsageError(
                    f"variant {variant.name!r} is not built yet; build it with 'litho build-engine' on its GPU"
                )
        if settings.device != "cuda":
            raise UsageError(
                f"device was given {settings.device!r}; flavour {cls.name!r} runs on 'cuda' only"
            )
        base.refuse(
            cls.name,
            settings,
            batching=f"deploy it with flavour {base.USUAL!r}",
            tensorrt="it is for flavour 'onnxruntime'",
            threads="threads are those of a CPU",
        )

    @classmethod
    def complete(cls, config: ModelConfig, description: Description) -> None:
        """Every optimisation profile of the engine, and a CUDA graph for each batch size that matters."""
        (variant,) = description.variants
        engine = variant.engine
        assert engine is not None, "it was checked"
        config.max_batch_size = min(config.max_batch_size, _largest(engine))
        for group in config.instance_group:
            group.profile[:] = [str(index) for index in range(len(engine.profiles))]
        # Which image can run it, `litho serve --container` reads here.
        config.parameters[TENSORRT_PARAMETER].string_value = engine.version
        cuda = config.optimization.cuda
        cuda.output_copy_stream = True
        if description.settings.cuda_graphs:
            cuda.graphs = True
            _add_graphs(cuda, description, config.max_batch_size)

    @classmethod
    def forms(cls, config: ModelConfig, description: Description) -> dict[str, ModelConfig]:
        """For the GPU of each engine: the same model with that engine, its profiles and its batches."""
        forms: dict[str, ModelConfig] = {}
        for variant in (*description.variants, *description.engines):
            own = replace(
                description, variants=(variant,), engines=(), settings=_fitting(description, variant)
            )
            form = triton.ModelConfig()
            form.CopyFrom(config)
            form.ClearField("optimization")
            form.max_batch_size = own.batch_limit
            sizes = {min(size, own.batch_limit) for size in form.dynamic_batching.preferred_batch_size}
            form.dynamic_batching.preferred_batch_size[:] = sorted(sizes)
            cls.complete(form, own)
            form.default_model_filename = _file(variant, description)
            form.parameters["litho_variant"].string_value = variant.name
            fitting = [warm_up for warm_up in form.model_warmup if warm_up.batch_size <= form.max_batch_size]
            del form.model_warmup[:]
            form.model_warmup.extend(fitting)
            forms[variant.target or variant.name] = form
        return forms

    @classmethod
    def copies(cls, description: Description) -> dict[str, str]:
        """An engine for each kind of GPU."""
        engines = (*description.variants, *description.engines)
        return {_file(variant, description): variant.file for variant in engines}


def _file(variant: Variant, description: Description) -> str:
    return Flavour.file if variant in description.variants else f"model.{variant.target}.plan"


def _fitting(description: Description, variant: Variant) -> ServingSettings:
    """The settings, with batches that another engine takes."""
    settings, most = description.settings, variant.batches[2]
    sizes = {min(size, most) for size in settings.preferred_batch_sizes}
    largest = None if settings.max_batch_size is None else min(settings.max_batch_size, most)
    return replace(settings, max_batch_size=largest, preferred_batch_sizes=tuple(sorted(sizes)))


def _largest(engine: EngineRecord) -> int:
    return max(profile[2] for profile in engine.profiles)


def _add_graphs(cuda: ModelConfig, description: Description, most: int) -> None:
    """A graph for each batch size; its lower bound lets it serve every batch above the size before."""
    sizes = sorted({min(size, most) for size in description.batch_sizes})
    for shape in served_shapes(description.signature):
        below = 0
        for size in sizes:
            spec = cuda.graph_spec.add(batch_size=size)
            spec.graph_lower_bound.batch_size = below + 1
            for name, extents in shape.items():
                for inputs in (spec.input, spec.graph_lower_bound.input):
                    inputs[name].dim[:] = extents
                    inputs[name].SetInParent()
            below = size
