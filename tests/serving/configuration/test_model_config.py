import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tritonclient.grpc import model_config_pb2

from litho.bundle.manifest import Verdict
from litho.errors import UsageError
from litho.runners.triton import ServedModel
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import configurations, parse_config
from litho.serving.repository.deploy import deploy
from litho.signature.fields import seed_field

from ..described import INPUTS, PORTABLE, STEPS, a_manifest, config_of, described


@given(st.sets(st.sampled_from(range(len(INPUTS))), min_size=1), st.sampled_from(PORTABLE))
def test_every_field_becomes_an_input_that_triton_can_take(chosen: set[int], kind: str) -> None:
    fields = [INPUTS[index] for index in sorted(chosen)]
    config = config_of(a_manifest(tuple(fields)), kind)
    for field, entry in zip(fields, config.input, strict=True):
        assert entry.name == field.name
        name = model_config_pb2.DataType.Name(entry.data_type)
        assert name == {"BYTES": "TYPE_STRING"}.get(field.dtype, f"TYPE_{field.dtype}")
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


def test_priorities_and_a_shorter_wait_arrive_in_the_configuration() -> None:
    batching = config_of(
        a_manifest(), priority_levels=3, queue_timeout_microseconds=9, timeout_override=False
    ).dynamic_batching
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    assert not batching.default_queue_policy.allow_timeout_override
    assert (
        config_of(a_manifest(), priority_levels=3, default_priority=1).dynamic_batching.default_priority_level
        == 1
    )
    assert config_of(a_manifest(), preserve_ordering=True).dynamic_batching.preserve_ordering


def test_instances_are_on_the_gpus_that_were_named() -> None:
    (group,) = config_of(a_manifest(), device="cuda", gpus=(0, 2), instance_count=3).instance_group
    assert (group.count, list(group.gpus)) == (3, [0, 2])
    (group,) = config_of(a_manifest()).instance_group
    assert (group.count, list(group.gpus), group.kind) == (
        2,
        [],
        model_config_pb2.ModelInstanceGroup.KIND_CPU,
    )


@pytest.mark.parametrize("kind", PORTABLE)
def test_answers_are_cached_only_where_every_request_has_a_seed(kind: str) -> None:
    assert config_of(a_manifest((seed_field(), STEPS)), kind, response_cache=True).response_cache.enable
    optional = seed_field().model_copy(update={"default": 0})
    for inputs in ((optional,), (INPUTS[5],)):
        with pytest.raises(UsageError, match="takes requests without a seed"):
            config_of(a_manifest(inputs), kind, response_cache=True)


def test_the_bundle_is_known_by_the_hash_and_the_signature_of_its_manifest(
    bundle: Path, tmp_path: Path
) -> None:
    import hashlib

    model = deploy(bundle, to=tmp_path, name="tiny").path
    parameters = parse_config((model / "config.pbtxt").read_text()).parameters
    wanted = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert parameters["litho_bundle_sha256"].string_value == wanted
    assert "litho_manifest_signature" not in parameters


def test_only_a_flavour_with_further_forms_has_further_configurations() -> None:
    assert list(configurations(described(a_manifest()), flavour("litho"))) == ["config.pbtxt"]
