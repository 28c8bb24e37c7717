import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tritonclient.grpc import model_config_pb2

from litho.bundle import Bundle
from litho.bundle.manifest import FileRecord, Manifest, Stage, Variant, Verdict
from litho.errors import UsageError
from litho.runners.triton import ServedModel
from litho.serving.configuration import (
    FLAVOURS,
    ServingSettings,
    model_config,
    parse_config,
    print_config,
)
from litho.serving.repository import deploy
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


def config_of(manifest: Manifest, flavour: Any = "litho", version: int = 1, **settings: Any) -> Any:
    """As Triton reads it: printed, then parsed by the official message."""
    config = model_config(
        "tiny",
        manifest,
        manifest.variants,
        flavour=flavour,
        version=version,
        settings=ServingSettings(**settings),
    )
    return parse_config(print_config(config))


@given(st.sets(st.sampled_from(range(len(INPUTS))), min_size=1), st.sampled_from(FLAVOURS))
def test_every_field_becomes_an_input_that_triton_can_take(chosen: set[int], flavour: str) -> None:
    fields = [INPUTS[index] for index in sorted(chosen)]
    config = config_of(a_manifest(tuple(fields)), flavour)
    for field, entry in zip(fields, config.input, strict=True):
        assert entry.name == field.name
        kind = model_config_pb2.DataType.Name(entry.data_type)
        assert kind == {"BYTES": "TYPE_STRING"}.get(field.dtype, f"TYPE_{field.dtype}")
        assert tuple(entry.dims) == (field.shape or (1,))
        assert entry.HasField("reshape") == (field.shape == ())
        assert not entry.reshape.shape
        assert entry.optional == (field.default is not None and flavour == "litho")
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


def test_each_flavour_names_its_backend_and_its_file() -> None:
    litho, onnx = (config_of(a_manifest(), flavour) for flavour in ("litho", "onnxruntime"))
    assert (litho.backend, litho.default_model_filename) == ("litho", "")
    assert (onnx.backend, onnx.default_model_filename) == ("onnxruntime", "model.onnx")


def test_every_batch_size_that_matters_is_warmed_up() -> None:
    config = config_of(
        a_manifest((seed_field(), latent_field(16))), preferred_batch_sizes=(4,), max_batch_size=32
    )
    assert [entry.batch_size for entry in config.model_warmup] == [1, 4, 16, 32]
    inputs = config.model_warmup[0].inputs
    assert {name: list(entry.dims) for name, entry in inputs.items()} == {"seed": [1], "latent": [16]}
    assert not config_of(a_manifest(), warm_up=False).model_warmup


def test_a_field_that_does_not_allow_zero_leaves_the_warm_up_out() -> None:
    asked_for = STEPS.model_copy(update={"default": None})
    assert not config_of(a_manifest((seed_field(), asked_for))).model_warmup


def test_the_warm_up_leaves_out_what_has_a_default_unless_the_graph_wants_it() -> None:
    manifest = a_manifest((PROMPT, seed_field(), STEPS))
    entry, *_ = config_of(manifest).model_warmup
    assert {name: list(given.dims) for name, given in entry.inputs.items()} == {"prompt": [1], "seed": [1]}
    assert not config_of(manifest, "onnxruntime").model_warmup


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_batch_size": 65}, "at most 64"),
        ({"max_batch_size": 0}, "allowed is 1 or more"),
        ({"max_batch_size": -3}, "allowed is 1 or more"),
        ({"preferred_batch_sizes": (128,)}, "larger than the largest batch, 64"),
        ({"preferred_batch_sizes": (0,)}, "allowed is 1 or more"),
        ({"instance_count": 0}, "instance_count was given 0"),
        ({"max_queue_size": -1}, "max_queue_size was given -1"),
        ({"queue_timeout_microseconds": 0}, "queue_timeout_microseconds was given 0"),
        ({"max_queue_delay_microseconds": -1}, "allowed is 0 or more"),
    ],
)
def test_settings_beyond_their_range_are_refused_with_what_is_allowed(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        config_of(a_manifest(), **settings)
    assert "\n" not in str(refused.value)


def test_an_engine_is_no_model_for_the_onnxruntime_backend() -> None:
    engine = a_manifest(file="engines/generator.fp32.sm86.rtx", target="sm86", runtime="tensorrt-rtx")
    with pytest.raises(UsageError, match="flavour 'litho'"):
        config_of(engine, "onnxruntime")
    assert config_of(engine, "litho", device="cuda").backend == "litho"


def test_a_sampler_is_not_kept_waiting_by_its_largest_batch(flow_bundle: Path, tmp_path: Path) -> None:
    config = parse_config((deploy(Bundle.load(flow_bundle), to=tmp_path).path / "config.pbtxt").read_text())
    assert config.max_batch_size == 64
    assert [entry.batch_size for entry in config.model_warmup] == [1, 8]
    assert set(config.model_warmup[0].inputs) == {"seed", "prompt"}


@pytest.mark.parametrize(("level", "number"), [("extended", 1), ("basic", -1), ("disabled", 2)])
def test_the_backend_of_onnx_runtime_is_told_how_far_it_may_optimise(level: str, number: int) -> None:
    manifest = a_manifest(options={"optimization": level})
    configs = {
        flavour: model_config(
            "tiny", manifest, manifest.variants, flavour=flavour, version=1, settings=ServingSettings()
        )
        for flavour in FLAVOURS
    }
    assert configs["onnxruntime"].optimization.graph.level == number
    assert f"level: {number}" in print_config(configs["onnxruntime"])
    # litho's runners read it from the graph's metadata.
    assert not configs["litho"].HasField("optimization")
