"""Write `model_repository/`: the configuration that `litho deploy` writes for every family and flavour.

python scripts/reference_repository.py
"""

from __future__ import annotations

import shutil
from pathlib import Path

from litho.bundle.manifest import TOKENIZER_NAME, FileRecord, Manifest, Verdict
from litho.export.build import BATCHES
from litho.export.pipeline import Pipeline
from litho.export.variant_spec import VariantSpec
from litho.files import write_bytes
from litho.serving.configuration import FLAVOURS, ServingSettings, model_config, print_config
from litho.serving.repository import CONFIG_NAME
from litho.training.models import family, family_names
from litho.training.networks.pixel_model import PixelModel

__all__ = ["REFERENCE", "main", "reference_files"]

REFERENCE = Path(__file__).resolve().parents[1] / "model_repository"
NO_CHECKPOINT = "0" * 64


def main() -> None:
    """Replace the reference deployment; `README.md` stays."""
    for stale in REFERENCE.glob("*/"):
        shutil.rmtree(stale)
    for relative, content in reference_files().items():
        write_bytes(REFERENCE / relative, content)


def reference_files() -> dict[str, str]:
    """Path in `model_repository/` -> content."""
    files: dict[str, str] = {}
    for name, pipeline in _pipelines().items():
        manifest = _manifest(name, pipeline)
        for flavour in FLAVOURS if pipeline.sampler is None else ("litho",):
            model = f"{name}-{flavour}"
            config = model_config(
                model,
                manifest,
                manifest.variants,
                flavour=flavour,
                version=1,
                settings=ServingSettings.of_flavour(flavour),
            )
            files[f"{model}/{CONFIG_NAME}"] = print_config(config)
    return files


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
    variants = tuple(
        VariantSpec(stage, "fp32", "onnxruntime").variant(Verdict(status="passed"), batches=BATCHES)
        for stage in pipeline.stages
    )
    return Manifest(
        name=name,
        family=name,
        signature=pipeline.signature,
        stages=pipeline.described,
        sampler=pipeline.sampler,
        variants=variants,
        files={
            file: FileRecord.of(b"") for file in (TOKENIZER_NAME, *(variant.file for variant in variants))
        },
        checkpoint_sha256=NO_CHECKPOINT,
        environment={},
    )


if __name__ == "__main__":
    main()
