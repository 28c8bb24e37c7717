"""The reference deployment in `model_repository/`: what `litho deploy` writes for every family, without weights.

`python -m litho.serving.reference` writes it again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..bundle.manifest import TOKENIZER_NAME, FileRecord, Manifest, Variant, Verdict
from ..export.build import BATCHES
from ..export.pipeline import Pipeline
from ..files import write_bytes
from .configuration import FLAVOURS, ServingSettings, model_config, print_config
from .repository import CONFIG_NAME, model_source

__all__ = ["REFERENCE", "family_pipelines", "main", "reference_files"]

REFERENCE = Path(__file__).resolve().parents[1] / "model_repository"
NO_CHECKPOINT = "0" * 64


def family_pipelines() -> dict[str, Pipeline]:
    """Family -> the generator that its defaults make; family-INPUT -> the same fed with what else it serves."""
    from ..training.models import family, family_names
    from ..training.networks.pixel_model import PixelModel

    pipelines: dict[str, Pipeline] = {}
    for name in family_names():
        generator = family(name).generator().eval()
        for number, (input, form) in enumerate(generator.forms(generator.signature()).items()):
            if input != "latent":  # for walks through the latent space; no request of a user
                pipelines[f"{name}-{input}" if number else name] = Pipeline.of(PixelModel(*form))
    return pipelines


def reference_files() -> dict[str, str]:
    """Path inside `model_repository/` -> content."""
    files: dict[str, str] = {}
    for family, pipeline in family_pipelines().items():
        manifest = _manifest(family, pipeline)
        for flavour in FLAVOURS if pipeline.sampler is None else ("python",):
            name = f"{family}-{flavour}"
            config = model_config(
                name,
                manifest,
                manifest.variants,
                flavour=flavour,
                version=1,
                settings=ServingSettings.of_flavour(flavour),
            )
            files[f"{name}/{CONFIG_NAME}"] = print_config(config)
            if flavour == "python":
                files[f"{name}/1/model.py"] = model_source()
    return files


def main() -> None:
    """Write the reference deployment."""
    for stale in REFERENCE.glob("*/"):
        shutil.rmtree(stale)
    for relative, content in reference_files().items():
        write_bytes(REFERENCE / relative, content)


def _manifest(family: str, pipeline: Pipeline) -> Manifest:
    variants = tuple(
        Variant(
            name=f"{stage}.fp32.onnx",
            stage=stage,
            precision="fp32",
            runtime="onnxruntime",
            file=f"graphs/{stage}.fp32.onnx",
            batches=BATCHES,
            verdict=Verdict(status="passed"),
        )
        for stage in pipeline.stages
    )
    return Manifest(
        name=family,
        family=family,
        signature=pipeline.signature,
        stages=pipeline.described,
        sampler=pipeline.sampler,
        variants=variants,
        files={file: FileRecord.of(b"") for file in (TOKENIZER_NAME, *(made.file for made in variants))},
        checkpoint_sha256=NO_CHECKPOINT,
        environment={},
    )


if __name__ == "__main__":
    main()
