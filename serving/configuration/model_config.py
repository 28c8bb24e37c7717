"""The `config.pbtxt` of a deployment: from one description to the messages of Triton's model_config.proto.

Protobuf's text format prints and reads them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from google.protobuf.text_format import ParseError

from ...errors import UsageError
from ...parity.gate import grade_of, weakest
from ...runners.base import combined_precisions
from ...runners.triton import ServedModel
from ...signature.fields import Field, Role
from .description import Description, ModelConfig, data_type, triton
from .flavours import Flavour
from .settings import ServingSettings
from .warm_up import warm_up_files, warm_up_requests

__all__ = [
    "CONFIGS",
    "CONFIG_NAME",
    "Description",
    "ModelConfig",
    "ParseError",
    "ServingSettings",
    "configurations",
    "model_config",
    "parse_config",
    "print_config",
    "warm_up",
]

CONFIG_NAME = "config.pbtxt"
CONFIGS = "configs"
"""Folder in a model's directory with configurations that a server chooses by name, `--model-config-name`."""


def model_config(description: Description, flavour: type[Flavour]) -> ModelConfig:
    """Configuration of one version of a deployment.

    Args:
        description: of the version.
        flavour: the backend that runs it.

    Raises:
        UsageError: a variant does not fit the flavour, or a setting fits neither.
    """
    settings, signature = description.settings, description.signature
    flavour.check(description.manifest, description.variants, settings)
    _check_cache(description)
    output = signature.output
    config = triton.ModelConfig(
        name=description.name,
        platform=flavour.platform,
        backend=flavour.backend,
        default_model_filename=flavour.file,
        max_batch_size=description.batch_limit,
        input=[_input(field, optional=flavour.optional_inputs) for field in signature.inputs],
        output=[triton.ModelOutput(name=output.name, data_type=data_type(output), dims=output.shape)],
        instance_group=[_instances(description)],
        dynamic_batching=_batching(settings),
        response_cache=triton.ModelResponseCache(enable=settings.response_cache),
        model_warmup=warm_up_requests(
            description, optional_inputs=flavour.optional_inputs, filled=flavour.filled(description)
        ),
    )
    config.version_policy.specific.versions.append(description.version)
    for key, text in _parameters(description).items():
        config.parameters[key].string_value = text
    flavour.complete(config, description)
    return config


def configurations(description: Description, flavour: type[Flavour]) -> dict[str, ModelConfig]:
    """Every configuration of a version: path in the model's directory -> message; `config.pbtxt` first.

    Raises:
        UsageError: as `model_config`.
    """
    config = model_config(description, flavour)
    forms = flavour.forms(config, description)
    return {CONFIG_NAME: config, **{f"{CONFIGS}/{name}.pbtxt": form for name, form in forms.items()}}


def warm_up(description: Description, flavour: type[Flavour]) -> dict[str, bytes]:
    """Files that the warm-up of a version reads: path in the model's directory -> content."""
    return warm_up_files(description, optional_inputs=flavour.optional_inputs)


def print_config(config: ModelConfig) -> str:
    """Text of a `config.pbtxt`."""
    return text_format.MessageToString(config, as_utf8=True)


def parse_config(text: str) -> ModelConfig:
    """Read the text of a `config.pbtxt`.

    Raises:
        ParseError: the text is not a model configuration.
    """
    return text_format.Parse(text, triton.ModelConfig())


def _parameters(description: Description) -> dict[str, str]:
    manifest, variants = description.manifest, description.variants
    served = ServedModel(
        signature=manifest.signature,
        bundle=manifest.name,
        variant=",".join(variant.name for variant in variants),
        checkpoint_sha256=manifest.checkpoint_sha256,
        precision=combined_precisions(variants),
        grade=weakest(grade_of(variant, manifest) for variant in variants),
        accepted_failed=any(variant.verdict.status != "passed" for variant in variants),
    )
    proof = {
        "litho_bundle_sha256": description.manifest_sha256,
        "litho_manifest_signature": description.manifest_signature,
    }
    return {**served.to_parameters(), **{key: text for key, text in proof.items() if text}}


def _check_cache(description: Description) -> None:
    seed = description.signature.field(Role.SEED)
    if description.settings.response_cache and (seed is None or seed.default is not None):
        raise UsageError(
            f"response_cache was given, but {description.manifest.name} takes requests without a seed, whose answers"
            " must not come again; leave it out"
        )


def _input(field: Field, *, optional: bool) -> Any:
    message = triton.ModelInput(
        name=field.name,
        data_type=data_type(field),
        dims=field.shape or (1,),
        # Triton's own backends need every input of their graph; litho's clients send the defaults.
        optional=optional and field.default is not None,
    )
    if not field.shape:
        # Triton has no scalars: a client sends (batch, 1), and the model gets (batch,).
        message.reshape.SetInParent()
    return message


def _instances(description: Description) -> Any:
    settings = description.settings
    kind = "KIND_GPU" if settings.device == "cuda" else "KIND_CPU"
    return triton.ModelInstanceGroup(
        count=description.instance_count, kind=triton.ModelInstanceGroup.Kind.Value(kind), gpus=settings.gpus
    )


def _batching(settings: ServingSettings) -> Any:
    batching = triton.ModelDynamicBatching(
        preferred_batch_size=sorted(settings.preferred_batch_sizes),
        max_queue_delay_microseconds=settings.max_queue_delay_microseconds,
        preserve_ordering=settings.preserve_ordering,
        priority_levels=settings.priority_levels,
        default_priority_level=settings.priority if settings.priority_levels else 0,
    )
    policy = batching.default_queue_policy
    if settings.max_queue_size is not None:
        policy.max_queue_size = settings.max_queue_size
    if settings.queue_timeout_microseconds is not None:
        policy.timeout_action = triton.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = settings.queue_timeout_microseconds
        policy.allow_timeout_override = settings.timeout_override
    return batching
