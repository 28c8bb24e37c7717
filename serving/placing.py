"""What Triton reads from the directory of a model although it belongs to one version: warm-up inputs, further forms.

A version directory holds all of it, and what its model serves is copied up:

    <name>/<version>/warmup/          ->  <name>/warmup/<version>/
    <name>/<version>/configs/*.pbtxt  ->  <name>/configs/*.pbtxt, of the served version only
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ..files import write_bytes
from .configuration import CONFIGS, ModelConfig, print_config
from .warm_up import WARM_UP

__all__ = ["forget", "place", "write_parts"]


def write_parts(
    directory: Path, version: int, configs: Mapping[str, ModelConfig], inputs: Mapping[str, bytes]
) -> None:
    """Write configurations and inputs of the warm-up into a version directory.

    Args:
        directory: of the version, which may still have another name.
        version: its number.
        configs: as `configuration.configurations` returns them.
        inputs: as `configuration.warm_up` returns them.
    """
    for path, config in configs.items():
        write_bytes(directory / path, print_config(config))
    for path, content in inputs.items():
        write_bytes(directory / WARM_UP / Path(path).relative_to(f"{WARM_UP}/{version}"), content)


def place(model: Path, version: int) -> None:
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
