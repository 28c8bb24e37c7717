"""A deployment's `config.pbtxt`: derived from a bundle's signature, built as Triton's own protobuf message.

The message is `ModelConfig` of Triton's model_config.proto; it is printed and read by protobuf's text format, so
that nothing here knows that format's syntax.
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
"""Triton's message of that name; no type checker can see it."""

Flavour = Literal["python", "onnxruntime"]
"""Which backend of Triton runs a deployment.

`python` runs any bundle through litho's own runners and checks every request; litho must be installed where the
server is. `onnxruntime` runs an ONNX graph in a server that knows nothing of litho.
"""

FLAVOURS: tuple[Flavour, ...] = ("python", "onnxruntime")


@dataclass(frozen=True)
class ServingSettings:
    """How a deployment is served.

    With the defaults an idle copy of the model takes whatever waits, at once: batches form by themselves while the
    other copy computes, and nobody waits for a batch to fill. The queue has no limits by default: with a limit of
    either kind Triton 24.10, the embedded one, schedules by another way that misses a wake-up about once in ten
    thousand requests and then sleeps for half a second. A client's own timeout takes its requests out of the queue.

    Args:
        max_batch_size: largest batch; by default the largest that every variant served takes.
        preferred_batch_sizes: sizes that the scheduler stops waiting at; empty has it send whatever waits.
        max_queue_delay_microseconds: how long a request may wait for others to share its batch.
        max_queue_size: requests that may wait, one more being refused at once; None for any number.
        queue_timeout_microseconds: how long a request may wait at all before it is refused; a client may ask for
            less. None for ever.
        instance_count: copies of the model that run at the same time. Two, as the transport of one's answers then
            overlaps with the other's computing.
        device: "cpu", or "cuda" for one set of instances on each GPU of the server.
        warm_up: run the smallest, the preferred and the largest batch before the model counts as ready; the largest
            not where a sampler runs several stages, as that takes it as long as hundreds of pictures.
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
        """The defaults, with a bounded queue where a current Triton serves: more than it can hold is refused."""
        if flavour == "python":
            return cls()
        return cls(max_queue_size=1024, queue_timeout_microseconds=30_000_000)

    def batch_limit(self, variants: Sequence[Variant]) -> int:
        """The largest batch of `variants`, one of each stage, under these settings.

        Raises:
            UsageError: a batch size is larger than a variant takes.
        """
        smallest = min(variants, key=lambda variant: variant.batches[2])
        largest = smallest.batches[2]
        limit = self.max_batch_size or largest
        if limit > largest:
            raise UsageError(f"max_batch_size is {limit}, variant {smallest.name!r} takes at most {largest}")
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
    """The configuration of one version of a deployment.

    Args:
        name: of the model in the repository.
        manifest: of the bundle that is served.
        variants: which of its variants, one of each stage.
        flavour: which backend runs it.
        version: the only version that is served; others lie beside it for `rollback`.
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
        accepted_failed=any(variant.verdict.status != "passed" for variant in variants),
    )
    config = triton.ModelConfig(
        name=name,
        backend=flavour,
        default_model_filename="model.onnx" if flavour == "onnxruntime" else "model.py",
        max_batch_size=settings.batch_limit(variants),
        input=[_input(field, optional=flavour == "python") for field in signature.inputs],
        output=[_output(signature.output)],
        instance_group=[_instances(settings)],
        dynamic_batching=_batching(settings),
        response_cache=triton.ModelResponseCache(enable=False),
        model_warmup=_warm_up(signature, flavour, variants, settings),
    )
    config.version_policy.specific.versions.append(version)
    for key, value in served.to_parameters().items():
        config.parameters[key].string_value = value
    return config


def print_config(config: ModelConfig) -> str:
    """The text of a `config.pbtxt`."""
    return text_format.MessageToString(config, as_utf8=True)


def parse_config(text: str) -> ModelConfig:
    """Read the text of a `config.pbtxt`.

    Raises:
        ParseError: it is not one.
    """
    return text_format.Parse(text, triton.ModelConfig())


def _check_is_one_graph(manifest: Manifest, variants: Sequence[Variant]) -> None:
    if manifest.sampler is not None:
        raise UsageError(
            f"{manifest.name} has {len(manifest.stages)} stages that a sampler runs in turn, and is no single graph;"
            " deploy it with flavour 'python'"
        )
    for variant in variants:
        if variant.runtime != "onnxruntime":
            raise UsageError(
                f"variant {variant.name!r} is for {variant.runtime}, not for onnxruntime;"
                " deploy it with flavour 'python'"
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
        # ONNX Runtime wants every input of its graph; litho's clients fill the defaults in themselves.
        optional=optional and field.default is not None,
    )
    if not field.shape:
        # Triton knows no scalar: a client sends (batch, 1), and the model sees (batch,).
        message.reshape.SetInParent()
    return message


def _output(field: Field) -> Any:
    return triton.ModelOutput(name=field.name, data_type=_data_type(field), dims=field.shape)


def _instances(settings: ServingSettings) -> Any:
    kind = (
        triton.ModelInstanceGroup.KIND_GPU
        if settings.device == "cuda"
        else triton.ModelInstanceGroup.KIND_CPU
    )
    return triton.ModelInstanceGroup(count=settings.instance_count, kind=kind)


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
    # Zeros, and of a text nothing at all, stand for every input; one with a default may stay away.
    fields = [field for field in signature.inputs if field.default is None or flavour != "python"]
    if not settings.warm_up or not all(_allows_zero(field) for field in fields):
        return []
    limit = settings.batch_limit(variants)
    batches = [variant.batches if len(variants) == 1 else variant.batches[:2] for variant in variants]
    wanted = {size for sizes in batches for size in sizes} | set(settings.preferred_batch_sizes)
    sizes = sorted({min(size, limit) for size in wanted})
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


def _allows_zero(field: Field) -> bool:
    return (field.minimum is None or field.minimum <= 0) and (field.maximum is None or field.maximum >= 0)
