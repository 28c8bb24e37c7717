"""Manifests and descriptions of deployments without files, for tests of what follows from them."""

from typing import Any

from litho.bundle.engine_record import EngineRecord
from litho.bundle.manifest import FileRecord, Manifest, Stage, Variant, Verdict
from litho.serving.configuration.checks import check_config
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import (
    Description,
    model_config,
    parse_config,
    print_config,
)
from litho.serving.configuration.settings import ServingSettings
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
    assert check_config(config) == []
    return parse_config(print_config(config))


def engine(
    target: str = "sm86", runtime: str = "tensorrt", batches: tuple[int, int, int] = (1, 8, 64)
) -> Variant:
    """An engine with two profiles, the second one for larger batches."""
    least, best, most = batches
    record = EngineRecord(
        library=runtime,
        version="11.4",
        target=target,
        system="linux-x86_64",
        profiles=((least, best, best), (least, most, most)),
        read_back="inspector",
        layers={},
        products={},
    )
    return Variant(
        name=f"generator.fp32.{target}.plan",
        stage="generator",
        precision="fp32",
        runtime=runtime,
        target=target,
        file=f"engines/generator.fp32.{target}.plan",
        batches=batches,
        verdict=Verdict(status="passed"),
        engine=record,
    )


def with_engines(*engines: Variant, inputs: tuple[Field, ...] = (seed_field(),)) -> Manifest:
    """A manifest of an FP32 graph and of engines."""
    plain = a_manifest(inputs)
    variants = (*plain.variants, *engines)
    files = {one.file: FileRecord.of(one.file.encode()) for one in variants}
    return plain.model_copy(update={"variants": variants, "files": files})
