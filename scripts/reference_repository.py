"""Write `model_repository/`: what `litho deploy` writes beside the model itself, for every family and flavour.

python scripts/reference_repository.py
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from litho.bundle.engine_record import EngineRecord
from litho.bundle.manifest import TOKENIZER_NAME, FileRecord, Manifest, Variant, Verdict
from litho.export.pipeline import Pipeline
from litho.export.variant_spec import VariantSpec
from litho.files import write_bytes
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import Description, configurations, print_config, warm_up
from litho.serving.configuration.settings import ServingSettings
from litho.training.models import family, family_names
from litho.training.networks.pixel_model import PixelModel

__all__ = ["REFERENCE", "main", "reference_files"]

REFERENCE = Path(__file__).resolve().parents[1] / "model_repository"
NO_HASH = "0" * 64
TARGETS = ("sm86", "sm90")
PROFILES = ((1, 8, 16), (1, 64, 64))
BATCHES = (1, 8, 64)


def main() -> None:
    """Replace the reference deployment; `README.md` stays."""
    for stale in REFERENCE.glob("*/"):
        shutil.rmtree(stale)
    for relative, content in reference_files().items():
        write_bytes(REFERENCE / relative, content)


def reference_files() -> dict[str, bytes]:
    """Path in `model_repository/` -> content."""
    files: dict[str, bytes] = {}
    for name, pipeline in _pipelines().items():
        manifest = _manifest(name, pipeline)
        for suffix, settings in _forms(pipeline):
            kind = flavour(suffix.partition("-")[0])
            engines = tuple(one for one in manifest.variants if one.target is not None)
            graphs = tuple(one for one in manifest.variants if one.target is None)
            description = Description(
                f"{name}-{suffix}",
                manifest,
                graphs if kind.portable else engines[:1],
                version=1,
                settings=settings,
                engines=() if kind.portable else engines[1:],
                manifest_sha256=NO_HASH,
            )
            files |= {
                f"{description.name}/{path}": print_config(config).encode()
                for path, config in configurations(description, kind).items()
            }
            files |= {
                f"{description.name}/{path}": content for path, content in warm_up(description, kind).items()
            }
    return files


def _forms(pipeline: Pipeline) -> Iterator[tuple[str, ServingSettings]]:
    """Flavour, or flavour and device or batching -> settings."""
    usual = flavour("litho").defaults
    yield "litho", usual
    yield "litho-cuda", replace(usual, device="cuda")
    if pipeline.sampler is not None:
        yield "litho-in-flight", replace(usual, batching="in-flight")
        return
    yield "onnxruntime", flavour("onnxruntime").defaults
    yield "tensorrt", replace(flavour("tensorrt").defaults, preferred_batch_sizes=(8, 16))


def _pipelines() -> dict[str, Pipeline]:
    """FAMILY -> its default generator; FAMILY-INPUT -> the same generator with another kind of input."""
    pipelines: dict[str, Pipeline] = {}
    for name in family_names():
        generator = family(name).generator().eval()
        for number, (input, form) in enumerate(generator.forms(generator.signature()).items()):
            if input != "latent":  # users do not ask for walks through the latent space
                pipelines[f"{name}-{input}" if number else name] = Pipeline.of(PixelModel(*form))
    return pipelines


def _manifest(name: str, pipeline: Pipeline) -> Manifest:
    graphs = tuple(
        VariantSpec(stage, "fp32", "onnxruntime").variant(Verdict(status="passed"), batches=BATCHES)
        for stage in pipeline.stages
    )
    variants = graphs if pipeline.sampler is not None else (*graphs, *map(_engine, TARGETS))
    return Manifest(
        name=name,
        family=name,
        signature=pipeline.signature,
        stages=pipeline.described,
        sampler=pipeline.sampler,
        variants=variants,
        files={
            file: FileRecord(sha256=NO_HASH, size_bytes=0)
            for file in (TOKENIZER_NAME, *(variant.file for variant in variants))
        },
        checkpoint_sha256=NO_HASH,
        environment={},
    )


def _engine(target: str) -> Variant:
    record = EngineRecord(
        library="tensorrt",
        version="11.4",
        target=target,
        system="linux-x86_64",
        profiles=PROFILES,
        read_back="inspector",
        layers={},
        products={},
    )
    spec = VariantSpec("generator", "fp32", "tensorrt", target)
    return spec.variant(Verdict(status="passed"), batches=BATCHES, engine=record)


if __name__ == "__main__":
    main()
