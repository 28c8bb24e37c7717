"""Snapshots: the weights in `snapshot.safetensors`, described by `snapshot.json`.

No pickle is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field as Constraint
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ...bundle.json_documents import Document, read_as
from ...errors import BundleError, CheckpointError, UsageError
from ...files import ordinary_file, sha256, write_bytes
from ...signature import GeneratorSignature
from ..models import Generator, family
from ..networks.pixel_model import PixelModel

__all__ = [
    "DataInfo",
    "Snapshot",
    "SnapshotInfo",
    "fit_weights",
    "load_snapshot",
    "save_snapshot",
]

SCHEMA_VERSION = 1
INFO_NAME = "snapshot.json"
WEIGHTS_NAME = "snapshot.safetensors"


class DataInfo(Document):
    """The training data of a snapshot.

    Args:
        name: the value of `--data`.
        count: number of images.
        licence: SPDX identifier of the images; None if unknown.
        class_names: of the labels, in order.
    """

    name: str
    count: Annotated[int, Constraint(ge=1)]
    licence: str | None = None
    class_names: tuple[str, ...] = ()


class SnapshotInfo(Document):
    """Description of a snapshot; written as `snapshot.json`.

    Args:
        schema_version: of this document.
        family: of the generator.
        preset: that trained it; None for weights of another program.
        architecture: keyword arguments of the family's generator.
        signature: of the generator, from a seed.
        data: the training data; None if unknown.
        nimg: number of images it was trained on.
        licence: SPDX identifier of the weights; None if unknown.
        weights_sha256: of `snapshot.safetensors`.
        quality: measured figures, name with unit -> value.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    family: str
    preset: str | None = None
    architecture: dict[str, int | float | bool | str | list[int]]
    signature: GeneratorSignature
    data: DataInfo | None = None
    nimg: Annotated[int, Constraint(ge=0)]
    licence: str | None = None
    weights_sha256: Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
    quality: dict[str, float] = Constraint(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot on disk, its weights verified by their hash.

    Args:
        path: the run's directory.
        info: description of the weights.
        weights: name -> tensor.
    """

    path: Path
    info: SnapshotInfo
    weights: dict[str, Tensor]

    def generator(self) -> Generator:
        """The generator in eval mode, on the CPU.

        Raises:
            CheckpointError: family, architecture and weights do not fit each other.
        """
        source = str(self.path / WEIGHTS_NAME)
        try:
            # The meta device allocates no memory, so a forged width fails at the shapes in the file.
            with torch.device("meta"):
                generator = family(self.info.family).generator(**self.info.architecture)
        except (UsageError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise CheckpointError(
                f"{self.path / INFO_NAME} does not describe a valid generator: {error}"
            ) from None
        fit_weights(generator, self.weights, source)
        return generator.eval().requires_grad_(False)

    def picture(self, input: str | None = None) -> PixelModel:
        """The generator from inputs to pixels, in eval mode on the CPU.

        Args:
            input: a key of the generator's `forms`; by default the first.

        Raises:
            CheckpointError: family, architecture and weights do not fit each other.
            UsageError: the generator has no such form.
        """
        forms = self.generator().forms(self.info.signature)
        if input is None:
            input = next(iter(forms))
        if input not in forms:
            raise UsageError(
                f"family {self.info.family!r} has no input form {input!r}; give --input {' or '.join(forms)}"
            )
        return PixelModel(*forms[input]).eval()


def save_snapshot(  # noqa: PLR0913
    run: Path,
    generator: Generator,
    *,
    family: str,
    nimg: int = 0,
    preset: str | None = None,
    data: DataInfo | None = None,
    quality: Mapping[str, float] | None = None,
) -> SnapshotInfo:
    """Write a generator's weights and their description into a run's directory.

    The weights are written first: a snapshot interrupted in between fails its hash check, and training writes it
    again.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    write_bytes(run / WEIGHTS_NAME, save(weights))
    info = SnapshotInfo(
        family=family,
        preset=preset,
        architecture=generator.architecture,
        signature=generator.signature(data.class_names if data else ()),
        data=data,
        nimg=nimg,
        weights_sha256=sha256(run / WEIGHTS_NAME),
        quality=dict(quality or {}),
    )
    write_bytes(run / INFO_NAME, info.model_dump_json(indent=2) + "\n")
    return info


def load_snapshot(run: Path | str) -> Snapshot:
    """Read and verify the snapshot in a run's directory.

    Raises:
        CheckpointError: the snapshot is missing, truncated, changed, invalid, or of a newer litho.
    """
    root = Path(run)
    if not (root / INFO_NAME).exists():
        raise CheckpointError(f"no snapshot at {root}: there is no {INFO_NAME}; make one with 'litho train'")
    try:
        info = read_as(SnapshotInfo, "a valid snapshot description", root, INFO_NAME, SCHEMA_VERSION)
        content = ordinary_file(root, WEIGHTS_NAME).read_bytes()
    except BundleError as error:
        raise CheckpointError(str(error)) from None
    try:
        weights = load(content)
    except SafetensorError as error:
        raise CheckpointError(
            f"{root / WEIGHTS_NAME} is truncated or not a safetensors file ({error}); copy it again or train again"
        ) from None
    if sha256(root / WEIGHTS_NAME) != info.weights_sha256:
        raise CheckpointError(
            f"{root / WEIGHTS_NAME} has changed: its SHA-256 differs from {INFO_NAME}; copy it again or train again"
        )
    return Snapshot(root, info, weights)


def fit_weights(generator: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a generator; names, shapes and kinds of dtype must match.

    Args:
        generator: any module; on the meta device it uses the tensors themselves.
        weights: name -> tensor.
        source: their file, for the message.

    Raises:
        CheckpointError: a weight is missing, unknown, or has another shape or dtype.
    """
    wanted = generator.state_dict()
    weights = _with_shared(weights, wanted)
    unknown = [name for name in weights if name not in wanted]
    if missing := [name for name in wanted if name not in weights]:
        others = f"; it has others, first {unknown[0]!r}" if unknown else ""
        raise CheckpointError(
            f"{source} lacks {len(missing)} of {len(wanted)} weights, first {missing[0]!r}{others}"
        )
    if unknown:
        raise CheckpointError(f"{source} has {len(unknown)} unknown weights, first {unknown[0]!r}")
    for name, tensor in wanted.items():
        given = weights[name]
        if given.shape != tensor.shape or given.is_floating_point() != tensor.is_floating_point():
            raise CheckpointError(
                f"weight {name!r} in {source} is {_description(given)}; expected {_description(tensor)}"
            )
    cast = {name: weights[name].to(tensor.dtype) for name, tensor in wanted.items()}
    generator.load_state_dict(cast, assign=True)


def _with_shared(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights, with those that a file has once because layers of the generator share them under several names."""
    memory = {
        name: (one.data_ptr(), one.shape) for name, one in wanted.items() if not one.is_meta and one.numel()
    }
    names = {address: name for name, address in memory.items() if name in weights}
    shared = {
        name: weights[names[address]]
        for name, address in memory.items()
        if name not in weights and address in names
    }
    return {**weights, **shared}


def _description(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
