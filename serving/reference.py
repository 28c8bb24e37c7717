"""The reference deployment in `model_repository/`: what `litho deploy` writes for every family, without weights.

`python -m litho.serving.reference` writes it again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..bundle import FileRecord, Manifest, Stage, Variant, Verdict
from ..export.build import BATCHES
from ..files import write_bytes
from ..signature import Signature
from .configuration import FLAVOURS, ServingSettings, model_config, print_config
from .repository import CONFIG_NAME, model_source

__all__ = ["REFERENCE", "family_signatures", "main", "reference_files"]

REFERENCE = Path(__file__).resolve().parents[1] / "model_repository"
NO_CHECKPOINT = "0" * 64
_FILE = "graphs/generator.fp32.onnx"


def family_signatures() -> dict[str, Signature]:
    """Family -> signature of the generator that its defaults make."""
    from ..training.models import family, family_names

    return {name: family(name).generator().signature() for name in family_names()}


def reference_files() -> dict[str, str]:
    """Path inside `model_repository/` -> content."""
    files: dict[str, str] = {}
    for family, signature in family_signatures().items():
        for flavour in FLAVOURS:
            name = f"{family}-{flavour}"
            manifest = _manifest(family, signature)
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


def _manifest(family: str, signature: Signature) -> Manifest:
    variant = Variant(
        name=Path(_FILE).name,
        stage="generator",
        precision="fp32",
        runtime="onnxruntime",
        file=_FILE,
        batches=BATCHES,
        verdict=Verdict(status="passed"),
    )
    return Manifest(
        name=family,
        family=family,
        signature=signature,
        stages=(Stage(name="generator", signature=signature),),
        variants=(variant,),
        files={_FILE: FileRecord.of(b"")},
        checkpoint_sha256=NO_CHECKPOINT,
        environment={},
    )


if __name__ == "__main__":
    main()
