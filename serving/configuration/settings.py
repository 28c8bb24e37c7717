"""How a deployment is served: batches, queue, instances, threads, warm-up. The same for every flavour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from ...bundle.manifest import Variant
from ...errors import UsageError

__all__ = ["Batching", "ServingSettings"]

Batching = Literal["whole", "in-flight"]
"""Whether a sampler makes the pictures of a batch together, or admits and answers them between its steps."""

_POSITIVE = (
    "max_batch_size",
    "max_queue_size",
    "queue_timeout_microseconds",
    "instance_count",
    "default_priority",
    "threads",
    "live_rows",
    "lanes",
)

_NATURAL = ("max_queue_delay_microseconds", "priority_levels")

_MOST = 2**31 - 1
"""Largest number that every field of a `config.pbtxt` holds."""


@dataclass(frozen=True)
class ServingSettings:
    """How a deployment is served.

    By default an idle instance takes all waiting requests at once. Batches form while the other instance computes,
    and no request waits for a batch to fill. The queue of flavour litho has no limit by default: with a limit, Triton
    24.10 (the embedded server) misses a wake-up about once in ten thousand requests and then sleeps for half a second.
    A client's timeout removes its requests from the queue.

    Args:
        max_batch_size: largest batch; by default the largest that all served variants take.
        preferred_batch_sizes: the scheduler sends a batch of one of these sizes without waiting for more requests;
            if empty, it sends all waiting requests.
        max_queue_delay_microseconds: longest wait of a request for others to share its batch.
        preserve_ordering: answer requests in the order in which they arrived.
        max_queue_size: most requests that may wait; further ones are refused at once. None for no limit.
        queue_timeout_microseconds: longest wait of a request before it is refused. None for no limit.
        timeout_override: whether a request may ask for a shorter wait.
        priority_levels: levels that a request may ask for, 1 first; 0 for none.
        default_priority: level of a request that asks for none; by default the middle one.
        instance_count: instances of the model that run at the same time, on each device. With two, one computes while
            the other sends its answers; by default two, but one of a sampler, which gains nothing by a second.
        device: "cpu" or "cuda".
        gpus: numbers of the GPUs; empty for all of the server.
        threads: threads of each instance on a CPU; None for its share of the cores in flavour litho, and
            for what the backend chooses in the others.
        batching: of a sampler. "in-flight" answers each picture as soon as it is finished, over a stream.
        live_rows: most pictures that a lane makes at the same time in flight; None measures it when the model loads.
        lanes: of an instance in flight, which compute at the same time; None for two on a CPU and one on a GPU.
        warm_up: run inputs of the probes at each served shape, in the smallest, the preferred and the largest batch,
            before the model is ready. A sampler skips the largest batch, which would take as long as hundreds of
            pictures.
        response_cache: answer a repeated request from the server's cache, which needs `tritonserver --cache-config`.
        cuda_graphs: capture a CUDA graph for each batch size that the scheduler prefers; flavour tensorrt.
        tensorrt: let ONNX Runtime compile the graph with TensorRT; flavour onnxruntime on a GPU.
        engine_cache: writable folder on the server where ONNX Runtime keeps the engines that it compiled.
    """

    max_batch_size: int | None = None
    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = 0
    preserve_ordering: bool = False
    max_queue_size: int | None = None
    queue_timeout_microseconds: int | None = None
    timeout_override: bool = True
    priority_levels: int = 0
    default_priority: int | None = None
    instance_count: int | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    gpus: tuple[int, ...] = ()
    threads: int | None = None
    batching: Batching = "whole"
    live_rows: int | None = None
    lanes: int | None = None
    warm_up: bool = True
    response_cache: bool = False
    cuda_graphs: bool = False
    tensorrt: bool = False
    engine_cache: str = "/engine-cache"

    def __post_init__(self) -> None:
        for complaint in _complaints(self):
            raise UsageError(complaint)

    @classmethod
    def unchecked(cls, values: Mapping[str, Any]) -> Self:
        """Settings that may contradict themselves: `complaints` says how."""
        settings = object.__new__(cls)
        for field in fields(cls):
            object.__setattr__(settings, field.name, values.get(field.name, field.default))
        return settings

    def complaints(self) -> list[str]:
        """Everything that is wrong with unchecked settings, a line each."""
        return list(_complaints(self))

    @property
    def priority(self) -> int:
        """Level of a request that asks for none; 0 without levels."""
        return self.default_priority or (self.priority_levels + 1) // 2

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


def _complaints(settings: ServingSettings) -> Iterator[str]:
    for name in _POSITIVE:
        given = getattr(settings, name)
        if given is not None and given < 1:
            yield f"{name} was given {given}; allowed is 1 or more"
    for name in _NATURAL:
        given = getattr(settings, name)
        if given < 0:
            yield f"{name} was given {given}; allowed is 0 or more"
    for name in (*_POSITIVE, *_NATURAL):
        if (getattr(settings, name) or 0) > _MOST:
            yield f"{name} was given {getattr(settings, name)}; allowed is at most {_MOST}"
    for size in settings.preferred_batch_sizes:
        if size < 1:
            yield f"a preferred batch size was given {size}; allowed is 1 or more"
    for number in settings.gpus:
        if not 0 <= number <= _MOST:
            yield f"the number of a GPU was given {number}; allowed is 0 to {_MOST}"
    yield from _contradictions(settings)


def _contradictions(settings: ServingSettings) -> Iterator[str]:
    levels, default = settings.priority_levels, settings.default_priority
    if default is not None and default > levels:
        yield f"default_priority was given {default}; allowed is 1 to priority_levels, {levels}"
    if settings.preserve_ordering and levels > 1:
        yield f"preserve_ordering was given with {levels} priority levels; answers keep one order only: leave one out"
    if settings.device not in ("cpu", "cuda"):
        yield f"device was given {settings.device!r}; allowed are 'cpu' and 'cuda', with the numbers in gpus"
    for name in ("gpus", "tensorrt", "cuda_graphs"):
        if settings.device == "cpu" and getattr(settings, name):
            yield f"{name} was given with device 'cpu'; it needs device 'cuda'"
    if settings.batching not in get_args(Batching):
        yield f"batching was given {settings.batching!r}; allowed are {' and '.join(map(repr, get_args(Batching)))}"
    for name in ("live_rows", "lanes"):
        if getattr(settings, name) is not None and settings.batching != "in-flight":
            yield f"{name} was given without batching 'in-flight', which alone has them"
    if settings.batching == "in-flight" and settings.response_cache:
        yield "response_cache was given with batching 'in-flight'; Triton caches no streamed answers: leave one out"
