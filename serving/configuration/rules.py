"""The rules of a model's configuration that Triton applies only when it loads the model, or never says.

A rule that is broken on a server shows as a model that does not load, or as an option without effect. Source of those
reported at load: `src/model_config_utils.cc` of https://github.com/triton-inference-server/core; a test compares them
with the embedded server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .description import ModelConfig, triton

__all__ = ["RULES", "Rule"]

Reported = Literal["load", "gpu", "never"]
"""Who says it otherwise: any Triton that loads the model, one with a GPU, or nobody: the option has no effect, or
requests fail."""

_ANY = -1
_Groups = triton.ModelInstanceGroup


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        name: short and unique.
        reported: who says it otherwise.
        broken: configuration -> a message for each place where it is broken.
    """

    name: str
    reported: Reported
    broken: Callable[[ModelConfig], Iterator[str]]


def _named(config: ModelConfig) -> Iterator[str]:
    if not config.backend and not config.platform:
        yield "neither backend nor platform is given; name one"
    if config.max_batch_size < 0:
        yield f"max_batch_size is {config.max_batch_size}; allowed is 0 or more"


def _tensors(config: ModelConfig) -> Iterator[str]:
    for kind, tensors in (("input", config.input), ("output", config.output)):
        for tensor in tensors:
            where = f"{kind} {tensor.name!r}"
            if not tensor.name:
                yield f"an {kind} has no name"
            if tensor.data_type == triton.DataType.Value("TYPE_INVALID"):
                yield f"{where} has no data_type"
            if not tensor.dims:
                yield f"{where} has no dims; a scalar has dims 1 and an empty reshape"
            if any(extent < 1 and extent != _ANY for extent in tensor.dims):
                yield f"dims of {where} are {list(tensor.dims)}; allowed is 1 or more, or -1"


def _unique(config: ModelConfig) -> Iterator[str]:
    for kind, tensors in (("input", config.input), ("output", config.output)):
        counted = Counter(tensor.name for tensor in tensors)
        for name in sorted(name for name, count in counted.items() if count > 1):
            yield f"{counted[name]} {kind}s are called {name!r}; names are unique"


def _reshapes(config: ModelConfig) -> Iterator[str]:
    for tensor in (*config.input, *config.output):
        if not tensor.HasField("reshape"):
            continue
        dims, shape = list(tensor.dims), list(tensor.reshape.shape)
        if not shape and config.max_batch_size == 0:
            yield f"{tensor.name!r} has an empty reshape, which a model without batches cannot have"
        elif any(extent < 1 and extent != _ANY for extent in shape):
            yield f"reshape of {tensor.name!r} is {shape}; allowed is 1 or more, or -1"
        elif _parts(dims) != _parts(shape):
            yield f"{tensor.name!r} has dims {dims} and reshape {shape}; both hold the same number of elements"


def _parts(shape: list[int]) -> list[int]:
    """The number of elements before, between and after the free extents."""
    counts = [1]
    for extent in shape:
        if extent == _ANY:
            counts.append(1)
        else:
            counts[-1] *= extent
    return counts


def _batching(config: ModelConfig) -> Iterator[str]:
    limit = config.max_batch_size
    for kind, batching in (
        ("dynamic_batching", config.dynamic_batching),
        ("sequence_batching", config.sequence_batching.oldest),
    ):
        for size in batching.preferred_batch_size:
            if not 1 <= size <= limit:
                yield f"preferred_batch_size of {kind} is {size}; allowed is 1 to max_batch_size, {limit}"


def _no_batches(config: ModelConfig) -> Iterator[str]:
    if config.HasField("dynamic_batching") and config.max_batch_size == 0:
        yield "dynamic_batching is given with max_batch_size 0, which forms no batches"


def _priorities(config: ModelConfig) -> Iterator[str]:
    batching = config.dynamic_batching
    levels = batching.priority_levels
    if not levels:
        return
    if not 1 <= batching.default_priority_level <= levels:
        yield (
            f"default_priority_level is {batching.default_priority_level}; allowed is 1 to priority_levels, {levels}"
        )
    for level in sorted(batching.priority_queue_policy):
        if not 1 <= level <= levels:
            yield f"priority_queue_policy has level {level}; allowed is 1 to priority_levels, {levels}"
    if batching.preserve_ordering and levels > 1:
        yield f"preserve_ordering is given with {levels} priority levels; allowed is one"


def _queues(config: ModelConfig) -> Iterator[str]:
    batching = config.dynamic_batching
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    delay = triton.ModelQueuePolicy.TimeoutAction.Value("DELAY")
    for policy in policies:
        late = policy.default_timeout_microseconds and policy.timeout_action == delay
        if batching.preserve_ordering and late:
            yield "timeout_action is DELAY with preserve_ordering, which never lets a request overtake; use REJECT"


def _levels_without_use(config: ModelConfig) -> Iterator[str]:
    batching = config.dynamic_batching
    if not batching.priority_levels and (batching.default_priority_level or batching.priority_queue_policy):
        yield "a priority is given without priority_levels, so there are no levels"


def _cache(config: ModelConfig) -> Iterator[str]:
    if not config.response_cache.enable:
        return
    if config.model_transaction_policy.decoupled:
        yield "response_cache is enabled for a decoupled model, whose answers are not cached"
    if config.HasField("sequence_batching"):
        yield "response_cache is enabled with sequence_batching, whose answers are not cached"


def _instances(config: ModelConfig) -> Iterator[str]:
    for group in config.instance_group:
        kind = _Groups.Kind.Name(group.kind)
        if group.gpus and kind in ("KIND_CPU", "KIND_MODEL"):
            yield f"an instance group of {kind} names GPUs {list(group.gpus)}; only KIND_GPU has them"
        for profile in group.profile:
            if config.platform != "tensorrt_plan":
                yield f"profile {profile!r} is given to backend {config.backend!r}; only TensorRT has profiles"
            elif not profile.isdecimal():
                yield f"profile is {profile!r}; allowed are the numbers of the engine's profiles"


def _counts(config: ModelConfig) -> Iterator[str]:
    for group in config.instance_group:
        if group.count < 0:
            yield f"count of an instance group is {group.count}; allowed is 1 or more"


def _only_cpu(config: ModelConfig) -> bool:
    return bool(config.instance_group) and all(
        _Groups.Kind.Name(group.kind) == "KIND_CPU" for group in config.instance_group
    )


def _without_gpu(config: ModelConfig) -> Iterator[str]:
    if not _only_cpu(config):
        return
    if config.optimization.HasField("cuda"):
        yield "optimization.cuda is given, but all instances are on the CPU"
    if config.optimization.execution_accelerators.gpu_execution_accelerator:
        yield "gpu_execution_accelerator is given, but all instances are on the CPU"


def _graphs(config: ModelConfig) -> Iterator[str]:
    cuda = config.optimization.cuda
    if cuda.graph_spec and not cuda.graphs:
        yield "graph_spec is given without graphs: true, so nothing is captured"
    for spec in cuda.graph_spec:
        lower = spec.graph_lower_bound.batch_size
        if not spec.HasField("graph_lower_bound"):
            yield f"graph_spec of batch {spec.batch_size} has no graph_lower_bound, so it serves that batch alone"
        elif not 1 <= lower <= spec.batch_size:
            yield f"graph_lower_bound of batch {spec.batch_size} is {lower}; allowed is 1 to {spec.batch_size}"
        if spec.batch_size > config.max_batch_size:
            yield f"graph_spec is for batch {spec.batch_size}; allowed is at most {config.max_batch_size}"


def _warm_ups(config: ModelConfig) -> Iterator[str]:
    """Triton 24.10 finds these while it warms up: it refuses the model, or dies."""
    inputs = {tensor.name: tensor for tensor in config.input}
    for request in config.model_warmup:
        where = f"warm-up {request.name!r}"
        if request.batch_size > max(1, config.max_batch_size):
            yield f"{where} has batch {request.batch_size}; allowed is at most {config.max_batch_size}"
        for name, given in request.inputs.items():
            if name not in inputs:
                continue
            wanted = inputs[name]
            if not _fits(given.dims, wanted.dims) or given.data_type != wanted.data_type:
                yield f"{where} gives {name!r} dims {list(given.dims)}; the input has {list(wanted.dims)}"
        for name in sorted(set(inputs) - set(request.inputs)):
            if not inputs[name].optional:
                yield f"{where} leaves out {name!r}, which is not optional"


def _fits(dims: Any, wanted: Any) -> bool:
    return len(dims) == len(wanted) and all(
        one in (given, _ANY) for given, one in zip(dims, wanted, strict=True)
    )


def _warm_ups_without_use(config: ModelConfig) -> Iterator[str]:
    known = [tensor.name for tensor in config.input]
    for request in config.model_warmup:
        for name in sorted(set(request.inputs) - set(known)):
            yield f"warm-up {request.name!r} gives {name!r}, which is no input (known: {', '.join(known)})"
        if request.batch_size < 1:
            yield f"warm-up {request.name!r} has batch {request.batch_size}; without 1 or more it runs nothing"


def _ensembles(config: ModelConfig) -> Iterator[str]:
    ensemble = config.HasField("ensemble_scheduling")
    if ensemble != (config.platform == "ensemble"):
        yield "ensemble_scheduling and platform 'ensemble' go together"
    if not ensemble:
        return
    for name in ("instance_group", "model_warmup"):
        if getattr(config, name):
            yield f"{name} is given, which an ensemble does not have"
    if config.HasField("optimization"):
        yield "optimization is given, which an ensemble does not have"
    if not config.ensemble_scheduling.step:
        yield "ensemble_scheduling has no step"


def _ensemble_inputs(config: ModelConfig) -> Iterator[str]:
    if config.HasField("ensemble_scheduling"):
        for tensor in config.input:
            if tensor.optional:
                yield f"input {tensor.name!r} of an ensemble is optional, which only inputs of its models can be"


def _profiles(config: ModelConfig) -> Iterator[str]:
    """Without a list TensorRT uses the first profile only; a profile that is listed twice loads twice."""
    if config.platform != "tensorrt_plan":
        return
    for group in config.instance_group:
        if not group.profile:
            yield "no profile is listed, so only the engine's first one is used"
        if len(set(group.profile)) < len(group.profile):
            yield f"profiles {list(group.profile)} are not unique"


def _in_flight(config: ModelConfig) -> Iterator[str]:
    batching = (
        config.parameters["litho_batching"].string_value if "litho_batching" in config.parameters else ""
    )
    if config.backend != "litho" or not batching:
        return
    if batching not in ("whole", "in-flight"):
        yield f"litho_batching is {batching!r}; allowed are 'whole' and 'in-flight'"
    elif (batching == "in-flight") != config.model_transaction_policy.decoupled:
        yield f"litho_batching is {batching!r}; in-flight models are decoupled, and others are not"


RULES: tuple[Rule, ...] = (
    Rule("backend", "load", _named),
    Rule("tensors", "load", _tensors),
    Rule("unique-names", "never", _unique),
    Rule("reshape", "load", _reshapes),
    Rule("preferred-batch", "load", _batching),
    Rule("no-batches", "never", _no_batches),
    Rule("priority", "load", _priorities),
    Rule("queue-policy", "load", _queues),
    Rule("priority-levels", "never", _levels_without_use),
    Rule("response-cache", "load", _cache),
    Rule("instances", "load", _instances),
    Rule("instance-count", "never", _counts),
    Rule("cuda-on-cpu", "never", _without_gpu),
    Rule("cuda-graphs", "gpu", _graphs),
    Rule("profiles", "gpu", _profiles),
    Rule("warm-up", "load", _warm_ups),
    Rule("warm-up-unused", "never", _warm_ups_without_use),
    Rule("ensemble", "load", _ensembles),
    Rule("ensemble-inputs", "never", _ensemble_inputs),
    Rule("in-flight", "load", _in_flight),
)
"""All rules about one configuration."""
