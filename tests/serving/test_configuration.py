import json
from typing import Any

from hypothesis import given, strategies as st
from tritonclient.grpc import model_config_pb2

from litho.bundle.manifest import FileRecord, Manifest, Stage, Variant, Verdict
from litho.runners.triton import ServedModel
from litho.serving.configuration import Description, model_config, parse_config, print_config
from litho.serving.flavours import flavour
from litho.serving.settings import ServingSettings
from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    latent_field,
    seed_field,
    source_field,
)

STEPS = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=50, default=20)
PROMPT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")
SOURCE = source_field(64, 64, 3).with_free_size(8, 256, 8).model_copy(update={"name": "image"})
CONDITIONS = (
    condition_field("pose", (2, 3)),
    condition_field("depth", (1, 8, 8), "UINT8"),
    condition_field("time", (), "INT64", (0, 9), 5),
)
INPUTS = (
    *(seed_field(), label_field(("null", "één", 'the "third"')), latent_field(16), STEPS, PROMPT, SOURCE),
    *CONDITIONS,
)


PORTABLE = ("litho", "onnxruntime")
"""Flavours that serve an ONNX graph."""


def a_manifest(inputs: tuple[Field, ...] = (seed_field(),), **variant: Any) -> Manifest:
    output = image_output(64, 64, 1).model_copy(update={"name": "picture"})
    free = any(field.free for field in inputs)
    signature = Signature(inputs=inputs, output=output.with_free_size(8, 256, 8) if free else output)
    described = {
        "name": "generator.fp32",
        "stage": "generator",
        "precision": "fp32",
        "runtime": "onnxruntime",
        "file": "graphs/generator.fp32.onnx",
        "batches": (1, 16, 64),
        "verdict": Verdict(status="passed"),
        **variant,
    }
    return Manifest(
        name="tiny",
        family="cgan",
        signature=signature,
        stages=(Stage(name="generator", signature=signature),),
        variants=(Variant(**described),),
        files={described["file"]: FileRecord.of(b"")},
        checkpoint_sha256="0" * 64,
        environment={},
    )


def described(manifest: Manifest, version: int = 1, **settings: Any) -> Description:
    return Description(
        "tiny", manifest, manifest.variants, version=version, settings=ServingSettings(**settings)
    )


def config_of(manifest: Manifest, kind: str = "litho", version: int = 1, **settings: Any) -> Any:
    """As Triton reads it: printed, then parsed by the official message; it keeps to every rule."""
    config = model_config(described(manifest, version, **settings), flavour(kind))
    return parse_config(print_config(config))


@given(st.sets(st.sampled_from(range(len(INPUTS))), min_size=1), st.sampled_from(PORTABLE))
def test_every_field_becomes_an_input_that_triton_can_take(chosen: set[int], kind: str) -> None:
    fields = [INPUTS[index] for index in sorted(chosen)]
    config = config_of(a_manifest(tuple(fields)), kind)
    for field, entry in zip(fields, config.input, strict=True):
        assert entry.name == field.name
        kind = model_config_pb2.DataType.Name(entry.data_type)
        assert kind == {"BYTES": "TYPE_STRING"}.get(field.dtype, f"TYPE_{field.dtype}")
        assert tuple(entry.dims) == (field.shape or (1,))
        assert entry.HasField("reshape") == (field.shape == ())
        assert not entry.reshape.shape
        assert entry.optional == (field.default is not None and kind == "litho")
    (output,) = config.output
    assert (output.name, tuple(output.dims)) == ("picture", a_manifest(tuple(fields)).signature.output.shape)


@given(st.sets(st.sampled_from(range(len(INPUTS))), min_size=1), st.booleans())
def test_a_client_learns_the_whole_signature_from_the_parameters(chosen: set[int], failed: bool) -> None:
    verdict = Verdict(status="failed", reason="too dark") if failed else Verdict(status="passed")
    manifest = a_manifest(tuple(INPUTS[index] for index in sorted(chosen)), verdict=verdict)
    parameters = {key: value.string_value for key, value in config_of(manifest).parameters.items()}
    served = ServedModel.from_parameters({**parameters, "somebody_elses": "thing"})
    assert served == ServedModel(
        signature=manifest.signature,
        bundle="tiny",
        variant="generator.fp32",
        checkpoint_sha256="0" * 64,
        precision="fp32",
        accepted_failed=failed,
    )
    assert json.loads(parameters["litho_signature"])["output"]["name"] == "picture"


def test_settings_arrive_in_the_configuration() -> None:
    config = config_of(
        a_manifest(),
        version=7,
        max_batch_size=32,
        preferred_batch_sizes=(16, 8),
        max_queue_delay_microseconds=500,
        max_queue_size=9,
        queue_timeout_microseconds=11,
        instance_count=3,
        device="cuda",
    )
    batching = config.dynamic_batching
    assert config.max_batch_size == 32
    assert list(batching.preferred_batch_size) == [8, 16]
    assert batching.max_queue_delay_microseconds == 500
    assert batching.default_queue_policy.max_queue_size == 9
    assert batching.default_queue_policy.default_timeout_microseconds == 11
    assert batching.default_queue_policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
    (instances,) = config.instance_group
    assert (instances.count, instances.kind) == (3, model_config_pb2.ModelInstanceGroup.KIND_GPU)
    assert list(config.version_policy.specific.versions) == [7]
    assert not config.response_cache.enable


def test_the_queue_has_no_limits_unless_they_are_asked_for() -> None:
    assert not config_of(a_manifest()).dynamic_batching.HasField("default_queue_policy")
    policy = config_of(a_manifest(), max_queue_size=5).dynamic_batching.default_queue_policy
    assert (policy.max_queue_size, policy.default_timeout_microseconds) == (5, 0)
