"""Inputs that a precision is calibrated with: as they come in use, for every stage of a generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError, LithoError
from ..runners.base import Runner
from ..signature import Signature, in_batches
from ..signature.fields import Role
from .pipeline import Pipeline

if TYPE_CHECKING:
    from .precisions import Inputs

__all__ = ["COUNT", "LEAST_PICTURES", "calibrate", "calibration_inputs"]

COUNT = 128
"""Pictures to calibrate with."""

LEAST_PICTURES = 16
"""Fewer inputs than these say too little of the range of an activation."""

BATCH = 16
_SEED = 1
"""Of the draw; the probes are drawn with another, so that what is judged is not what was calibrated for."""


def calibration_inputs(pipeline: Pipeline, data: str | None, count: int = COUNT) -> dict[str, NDArray[Any]]:
    """Inputs of the whole generator, by its own law: distinct seeds, balanced labels, real source pictures.

    Args:
        pipeline: of the generator.
        data: where source pictures and prompts come from, as `--data` takes it; what needs none reads none.
        count: of pictures.

    Raises:
        ExportError: the generator takes pictures, and there are none to have, or too few.
    """
    signature = pipeline.signature
    inputs = signature.example(count, seed=_SEED)
    taken = [field.role for field in signature.inputs]
    if Role.IMAGE in taken or Role.MASK in taken:
        inputs |= _sources(pipeline, data, count)
    return inputs


def calibrate(pipeline: Pipeline, graphs: Mapping[str, bytes], inputs: Inputs) -> dict[str, list[Inputs]]:
    """What every stage is given while the whole makes pictures.

    Args:
        pipeline: of the generator.
        graphs: stage -> its FP32 graph, which ONNX Runtime runs.
        inputs: of the whole.

    Returns:
        Stage -> its inputs, batch by batch.
    """
    seen: dict[str, list[Inputs]] = {name: [] for name in pipeline.stages}
    with pipeline.open(graphs, around=lambda name, stage: _Recorder(stage, seen[name])) as whole:
        for part in in_batches(inputs, BATCH):
            whole.run(part)
    return {name: _thinned(batches) for name, batches in seen.items()}


def _thinned(batches: list[Inputs]) -> list[Inputs]:
    """At most as many batches as the whole was given, evenly spread: a sampler calls its denoiser at every step."""
    places = np.linspace(0, len(batches) - 1, min(len(batches), 2 * COUNT // BATCH)).round().astype(int)
    return [batches[place] for place in places]


class _Recorder(Runner):
    """Runs a stage and keeps what it was given."""

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


def _sources(pipeline: Pipeline, data: str | None, count: int) -> dict[str, NDArray[Any]]:
    from ..training.data.sources import load
    from ..training.networks.image_to_image import source_inputs

    if data is None:
        raise ExportError(
            "this precision has to see source pictures first, and none are known: give --calibration"
        )
    signature: Signature = pipeline.signature
    height, _, channels = signature.output.usual_shape
    try:
        dataset = load(data, resolution=height, channels=channels)
    except LithoError as error:
        raise ExportError(
            f"this precision has to see source pictures first: {error}; give --calibration"
        ) from None
    if len(dataset) < LEAST_PICTURES:
        raise ExportError(
            f"data {data!r} has {len(dataset)} picture{'s' if len(dataset) != 1 else ''} to calibrate with;"
            f" {LEAST_PICTURES} or more say what is usual: give others with --calibration"
        )
    places = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    sources = source_inputs(pipeline.model.generator, signature, dataset.select(places))
    if sources is not None:
        return sources
    image = signature.field(Role.IMAGE)
    if image is None or dataset.picture != image.usual_shape:
        raise ExportError(
            f"data {data!r} has pictures of {dataset.picture}, which is not what this generator starts from;"
            " give others with --calibration"
        )
    return {image.name: dataset.images[places]}
