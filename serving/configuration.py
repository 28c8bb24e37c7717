"""The `config.pbtxt` of a deployment, derived from the bundle's signature.

It is built as the message `ModelConfig` of Triton's model_config.proto; protobuf's text format prints and reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from google.protobuf import text_format
from google.protobuf.text_format import ParseError
from tritonclient.grpc import model_config_pb2

from ..bundle.manifest import Manifest, Variant
from ..errors import UsageError
from ..parity.gate import grade_of, weakest
from ..runners.base import joined_precisions
from ..runners.triton import ServedModel
from ..signature import Signature
from ..signature.fields import Field

__all__ = [
    "FLAVOURS",
    "Flavour",
    "ModelConfig",
    "ParseError",
    "ServingSettings",
    "model_config",
    "parse_config",
    "print_config",
]

triton: Any = model_config_pb2  # protobuf makes the classes of the schema while it is imported

ModelConfig: TypeAlias = Any
"""Triton's message of that name, which type checkers cannot see."""

Flavour = Literal["litho", "onnxruntime"]
"""The Triton backend that runs a deployment.

`litho` runs any bundle through litho's runners and checks every request; the server needs litho and its backend.
`onnxruntime` runs one ONNX graph in any Triton server.
"""

_LEVELS = {"extended": 1, "basic": -1, "disabled": 2}
"""How far ONNX Runtime may optimise a graph -> `optimization.graph.level`, from the README of its Triton backend."""

FLAVOURS: tuple[Flavour, ...] = ("litho", "onnxruntime")


@dataclass(frozen=True)
class ServingSettings:
    """How a deployment is served.

    By default an idle instance takes all waiting requests at once. Batches form while the other instance computes,
    and no request waits for a batch to fill. The queue has no limit by default: with a limit, Triton 24.10 (the
    embedded server) misses a wake-up about once in ten thousand requests and then sleeps for half a second. A client's
    timeout removes its requests from the queue.

    Args:
        max_batch_size: largest batch; by default the largest that all served variants take.
        preferred_batch_sizes: the scheduler sends a batch of one of these sizes without waiting for more requests;
            if empty, it sends all waiting requests.
        max_queue_delay_microseconds: longest wait of a request for others to share its batch.
        max_queue_size: most requests that may wait; further ones are refused at once. None for no limit.
        queue_timeout_microseconds: longest wait of a request before it is refused; a client may ask for less. None
            for no limit.
        instance_count: instances of the model that run at the same time. With two, one computes while the other
            sends its answers.
        device: "cpu", or "cuda" for `instance_count` instances on each GPU of the server.
        warm_up: run the smallest, the preferred and the largest batch before the model is ready. A sampler of several
            stages skips the largest batch, which would take as long as hundreds of images.
    """

    max_batch_size: int | None = None
    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = 0
    max_queue_size: int | None = None
    queue_timeout_microseconds: int | None = None
    instance_count: int = 2
    device: Literal["cpu", "cuda"] = "cpu"
    warm_up: bool = True

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_queue_size", "queue_timeout_microseconds", "instance_count"):
            given = getattr(self, name)
            if given is not None:
                _check_at_least(name, given, 1)
        _check_at_least("max_queue_delay_microseconds", self.max_queue_delay_microseconds, 0)
        for size in self.preferred_batch_sizes:
            _check_at_least("a preferred batch size", size, 1)

    @classmethod
    def of_flavour(cls, flavour: Flavour) -> ServingSettings:
        """The defaults, with a limited queue for flavour onnxruntime, which a current Triton serves."""
        if flavour == "litho":
            return cls()
        return cls(max_queue_size=1024, queue_timeout_microseconds=30_000_000)

    def batch_limit(self, variants: Sequence[Variant]) -> int:
        """Largest batch of `variants`, one of each stage, under these settings.

        Raises:
            UsageError: a batch size is larger than a variant allows.
        """
        smallest = min(variants, key=lambda variant: variant.batches[2])
        largest = smallest.batches[2]
        limit = self.max_batch_size or largest
        if limit > largest:
            raise UsageError(f"max_batch_size is {limit}; variant {smallest.name!r} takes at most {largest}")
        if too_large := [size for size in self.preferred_batch_sizes if size > limit]:
            raise UsageError(f"preferred batch size {too_large[0]} is larger than the largest batch, {limit}")
        return limit


def model_config(
    name: str,
    manifest: Manifest,
    variants: Sequence[Variant],
    *,
    flavour: Flavour,
    version: int,
    settings: ServingSettings,
) -> ModelConfig:
    """Configuration of one version of a deployment.

    Args:
        name: of the model in the repository.
        manifest: of the served bundle.
        variants: the served variants, one of each stage.
        flavour: the backend that runs them.
        version: the only served version; earlier ones stay for `rollback`.
        settings: batching, queue and instances.

    Raises:
        UsageError: a variant does not fit the flavour or the settings.
    """
    if flavour == "onnxruntime":
        _check_is_one_graph(manifest, variants)
    signature = manifest.signature
    served = ServedModel(
        signature=signature,
        bundle=manifest.name,
        variant=",".join(variant.name for variant in variants),
        checkpoint_sha256=manifest.checkpoint_sha256,
        precision=joined_precisions(variants),
        grade=weakest(grade_of(variant, manifest) for variant in variants),
        accepted_failed=any(variant.verdict.status != "passed" for variant in variants),
    )
    output = signature.output
    kind = triton.ModelInstanceGroup.Kind.Value("KIND_GPU" if settings.device == "cuda" else "KIND_CPU")
    config = triton.ModelConfig(
        name=name,
        backend=flavour,
        default_model_filename="model.onnx" if flavour == "onnxruntime" else "",
        max_batch_size=settings.batch_limit(variants),
        input=[_input(field, optional=flavour == "litho") for field in signature.inputs],
        output=[triton.ModelOutput(name=output.name, data_type=_data_type(output), dims=output.shape)],
        instance_group=[triton.ModelInstanceGroup(count=settings.instance_count, kind=kind)],
        dynamic_batching=_batching(settings),
        response_cache=triton.ModelResponseCache(enable=False),
        model_warmup=_warm_up(signature, flavour, variants, settings),
    )
    if flavour == "onnxruntime" and (level := variants[0].options.get("optimization")) is not None:
        # Triton's backend does not read the graph's metadata.
        config.optimization.graph.level = _LEVELS[level]
    config.version_policy.specific.versions.append(version)
    for key, value in served.to_parameters().items():
        config.parameters[key].string_value = value
    return config


def print_config(config: ModelConfig) -> str:
    """Text of a `config.pbtxt`."""
    return text_format.MessageToString(config, as_utf8=True)


def parse_config(text: str) -> ModelConfig:
    """Read the text of a `config.pbtxt`.

    Raises:
        ParseError: the text is not a model configuration.
    """
    return text_format.Parse(text, triton.ModelConfig())


def _check_is_one_graph(manifest: Manifest, variants: Sequence[Variant]) -> None:
    if manifest.sampler is not None:
        raise UsageError(
            f"{manifest.name} has {len(manifest.stages)} stages that a sampler runs in turn; flavour 'onnxruntime'"
            " takes one graph; deploy it with flavour 'litho'"
        )
    for variant in variants:
        if variant.runtime != "onnxruntime":
            raise UsageError(
                f"variant {variant.name!r} is for {variant.runtime}, not onnxruntime;"
                " deploy it with flavour 'litho'"
            )


def _check_at_least(name: str, given: int, minimum: int) -> None:
    if given < minimum:
        raise UsageError(f"{name} was given {given}; allowed is {minimum} or more")


def _data_type(field: Field) -> Any:
    return triton.DataType.Value("TYPE_STRING" if field.dtype == "BYTES" else f"TYPE_{field.dtype}")


def _input(field: Field, *, optional: bool) -> Any:
    message = triton.ModelInput(
        name=field.name,
        data_type=_data_type(field),
        dims=field.shape or (1,),
        # ONNX Runtime needs every input of its graph; litho's clients send the defaults.
        optional=optional and field.default is not None,
    )
    if not field.shape:
        # Triton has no scalars: a client sends (batch, 1), and the model gets (batch,).
        message.reshape.SetInParent()
    return message


def _batching(settings: ServingSettings) -> Any:
    batching = triton.ModelDynamicBatching(
        preferred_batch_size=sorted(settings.preferred_batch_sizes),
        max_queue_delay_microseconds=settings.max_queue_delay_microseconds,
    )
    policy = batching.default_queue_policy
    if settings.max_queue_size is not None:
        policy.max_queue_size = settings.max_queue_size
    if settings.queue_timeout_microseconds is not None:
        policy.timeout_action = triton.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = settings.queue_timeout_microseconds
        policy.allow_timeout_override = True
    return batching


def _warm_up(
    signature: Signature, flavour: Flavour, variants: Sequence[Variant], settings: ServingSettings
) -> list[Any]:
    # Warm-up inputs are zeros or empty texts; an input with a default may be left out.
    fields = [field for field in signature.inputs if field.default is None or flavour != "litho"]
    if not settings.warm_up or not all((field.minimum or 0) <= 0 <= (field.maximum or 0) for field in fields):
        return []
    limit = settings.batch_limit(variants)
    batches = [variant.batches if len(variants) == 1 else variant.batches[:2] for variant in variants]
    candidates = {size for sizes in batches for size in sizes} | set(settings.preferred_batch_sizes)
    sizes = sorted({min(size, limit) for size in candidates})
    example = signature.example(1)
    return [
        triton.ModelWarmup(
            name=f"batch {size}",
            batch_size=size,
            inputs={
                field.name: triton.ModelWarmup.Input(
                    data_type=_data_type(field),
                    dims=example[field.name].shape[1:] or (1,),
                    zero_data=True,
                )
                for field in fields
            },
        )
        for size in sizes
    ]
