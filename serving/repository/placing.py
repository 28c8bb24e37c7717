"""What Triton reads from the directory of a model although it belongs to one version: warm-up inputs, further forms.

A version directory holds all of it, and what its model serves is copied up:

    <name>/<version>/warmup/          ->  <name>/warmup/<version>/
    <name>/<version>/configs/*.pbtxt  ->  <name>/configs/*.pbtxt, of the served version only
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ...files import write_bytes
from ..configuration.model_config import CONFIGS
from ..configuration.warm_up import WARM_UP

__all__ = ["expose", "forget"]


def expose(model: Path, version: int) -> None:
    """Copy what a version brings for its model's directory; call it before `config.pbtxt` there names the version.

    Args:
        model: directory of the model, or of a candidate of it.
        version: whose directory lies in it.
    """
    source = model / str(version)
    for file in sorted((source / WARM_UP).glob("*")):
        write_bytes(model / WARM_UP / str(version) / file.name, file.read_bytes())
    forms = {file.name: file.read_bytes() for file in (source / CONFIGS).glob("*.pbtxt")}
    for name, content in forms.items():
        write_bytes(model / CONFIGS / name, content)
    for stale in set((model / CONFIGS).glob("*.pbtxt")) - {model / CONFIGS / name for name in forms}:
        stale.unlink()
    if (model / CONFIGS).is_dir() and not forms:
        shutil.rmtree(model / CONFIGS)


def forget(model: Path, version: int) -> None:
    """Remove what a version brought, after the version itself."""
    shutil.rmtree(model / WARM_UP / str(version), ignore_errors=True)
