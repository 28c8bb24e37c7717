"""Inputs to calibrate a precision with, for every stage of a generator: drawn as requests are, with real pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ExportError, InvalidInput, LithoError
from ..runners.base import Runner
from ..signature import Signature, in_batches
from ..signature.array_files import names_arrays, read_arrays
from ..signature.fields import Role
from .pipeline import Pipeline

if TYPE_CHECKING:
    from .precisions import Inputs

__all__ = ["COUNT", "LEAST_PICTURES", "calibrate", "calibration_inputs", "pictures_sha256"]

COUNT = 128
"""Pictures to calibrate with."""

LEAST_PICTURES = 16
"""Fewest source pictures: fewer do not show the range of an activation."""

_FROM_DATA = (Role.IMAGE, Role.MASK, Role.CONDITION)
"""Roles of inputs whose values decide the ranges of activations, and are not drawn by a law that litho knows."""

BATCH = 16
_SEED = 1
"""Seed of the draw; the probes have another, so that a precision is not judged on its calibration."""


def calibration_inputs(pipeline: Pipeline, data: str | None, count: int = COUNT) -> dict[str, NDArray[Any]]:
    """Inputs of the whole generator: distinct seeds, balanced labels, real source pictures.

    Args:
        pipeline: of the generator.
        data: the data to take source pictures from, as `--data` takes it, not read if the generator takes none; or a
            `.npy` or `.safetensors` file with values of conditions and pictures, by the names of their fields.
        count: number of inputs.

    Returns:
        Field name -> array of shape (count, ...).

    Raises:
        ExportError: the generator takes pictures and `data` is unknown, unreadable, too small or of another size; or
            the file does not fit the generator.
    """
    inputs = pipeline.signature.example(count, seed=_SEED)
    if data is not None and names_arrays(data):
        return inputs | _of_file(pipeline.signature, Path(data), count)
    return inputs | _sources(pipeline, data, count) if _takes_pictures(pipeline.signature) else inputs


def pictures_sha256(signature: Signature, inputs: Inputs) -> str | None:
    """SHA-256 of the pictures and conditions among calibration inputs; None of a generator that takes none."""
    given = [field.name for field in signature.inputs if field.role in _FROM_DATA]
    if not given:
        return None
    digest = hashlib.sha256()
    for name in given:
        digest.update(np.ascontiguousarray(inputs[name]).data)
    return digest.hexdigest()


def _takes_pictures(signature: Signature) -> bool:
    return any(field.role in (Role.IMAGE, Role.MASK) for field in signature.inputs)


def calibrate(pipeline: Pipeline, graphs: Mapping[str, bytes], inputs: Inputs) -> dict[str, list[Inputs]]:
    """The inputs of every stage while the whole generator makes pictures.

    Args:
        pipeline: of the generator.
        graphs: stage -> its FP32 graph, which runs in ONNX Runtime.
        inputs: of the whole generator.

    Returns:
        Stage -> its inputs, batch by batch.
    """
    if pipeline.sampler is None:
        (name,) = pipeline.stages
        return {name: list(in_batches(pipeline.signature.check(inputs), BATCH))}
    seen: dict[str, list[Inputs]] = {name: [] for name in pipeline.stages}
    with pipeline.open(graphs, around=lambda name, stage: _Recorder(stage, seen[name])) as whole:
        for part in in_batches(inputs, BATCH):
            whole.run(part)
    return {name: _thinned(batches) for name, batches in seen.items()}


def _thinned(batches: list[Inputs]) -> list[Inputs]:
    """Some of the batches, evenly spread: a sampler calls its denoiser at every step."""
    chosen = np.linspace(0, len(batches) - 1, min(len(batches), 2 * COUNT // BATCH)).round().astype(int)
    return [batches[index] for index in chosen]


class _Recorder(Runner):
    """Runs a stage and records its inputs."""

    name = "recorder"

    def __init__(self, stage: Runner, seen: list[Inputs]) -> None:
        super().__init__(stage.signature, stage.description)
        self._stage, self._seen = stage, seen

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        self._seen.append({name: np.array(values) for name, values in inputs.items()})
        return self._stage.run(inputs, check=False)[self.signature.output.name]

    def close(self) -> None:
        """Close the stage."""
        self._stage.close()


def _of_file(signature: Signature, path: Path, count: int) -> dict[str, NDArray[Any]]:
    """Values of conditions and pictures from a file of arrays, `count` of each, evenly spread."""
    fields = {field.name: field for field in signature.inputs if field.role in _FROM_DATA}
    known = ", ".join(fields) or "none"
    try:
        arrays = read_arrays(path)
        if set(arrays) == {""} and len(fields) == 1:
            arrays = dict(zip(fields, arrays.values(), strict=True))
        if unknown := sorted(set(arrays) - set(fields)):
            named = repr(unknown[0]) if unknown[0] else "without a name"
            raise ExportError(
                f"{path} has an array {named}; calibration takes those of conditions and pictures ({known})"
            )
        checked = {name: field.check(arrays[name]) for name, field in fields.items() if name in arrays}
    except (DataError, InvalidInput) as error:
        raise ExportError(f"calibration file {path}: {error}") from None
    if lacking := [
        name for name, field in fields.items() if field.role is not Role.CONDITION and name not in checked
    ]:
        raise ExportError(f"{path} has no array {lacking[0]!r}; calibration needs real source pictures")
    if (
        len({len(array) for array in checked.values()}) != 1
        or len(next(iter(checked.values()))) < LEAST_PICTURES
    ):
        counts = ", ".join(f"{len(array)} of {name!r}" for name, array in checked.items()) or "no array"
        raise ExportError(
            f"{path} has {counts}; calibration needs one number of values for all, at least {LEAST_PICTURES}"
        )
    rows = np.linspace(0, len(next(iter(checked.values()))) - 1, count).round().astype(int)
    return {name: array[rows] for name, array in checked.items()}


def _sources(pipeline: Pipeline, data: str | None, count: int) -> dict[str, NDArray[Any]]:
    from ..training.data.sources import load
    from ..training.networks.image_to_image import source_inputs

    if data is None:
        raise ExportError(
            "calibration needs source pictures, and the training data is unknown; add --calibration DATA"
        )
    signature: Signature = pipeline.signature
    height, _, channels = signature.output.usual_shape
    try:
        dataset = load(data, resolution=height, channels=channels)
    except LithoError as error:
        raise ExportError(f"calibration needs source pictures: {error}; add --calibration DATA") from None
    if len(dataset) < LEAST_PICTURES:
        raise ExportError(
            f"data {data!r} has {len(dataset)} picture{'s' if len(dataset) != 1 else ''}; calibration needs at least"
            f" {LEAST_PICTURES}: add --calibration DATA"
        )
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    sources = source_inputs(pipeline.model.generator, signature, dataset.select(chosen))
    if sources is not None:
        return sources
    image = signature.field(Role.IMAGE)
    if image is None or dataset.picture != image.usual_shape:
        raise ExportError(
            f"data {data!r} has pictures of shape {dataset.picture}; this generator takes"
            f" {image and image.usual_shape}: add --calibration DATA"
        )
    return {image.name: dataset.images[chosen]}
