"""How much a picture hangs on its label, and how much on its seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....bundle.explanation import Alternative, Attribution, Cause, Example, LabelEntry
from ....signature.fields import Field, Role
from ...networks.pixel_model import PixelModel, model_inputs
from ..context import EvaluationContext, spread
from .gradients import called_embeddings, integrate, replaced
from .occlusion import difference, occlude
from .picture_files import PictureFiles

__all__ = ["EXAMPLES", "OTHER_SEEDS", "explain_labels"]

EXAMPLES = 10
"""Classes that are explained; of more classes, some at even intervals."""

OTHER_SEEDS = 8
MOST_ALTERNATIVES = 100


def explain_labels(context: EvaluationContext, files: PictureFiles) -> list[Example]:
    """Explain the picture of seed 0 for each of at most `EXAMPLES` classes.

    Raises:
        EvaluationError: a label and no label make the same picture.
        MissingExtra: captum is not installed.
    """
    label, seed = context.signature.field(Role.LABEL), context.signature.field(Role.SEED)
    assert label is not None
    assert seed is not None
    classes = int(label.maximum or 0) + 1
    chosen = spread(min(EXAMPLES, classes), classes)
    return [_explain(context, files, (seed, label), int(value)) for value in chosen]


def _explain(
    context: EvaluationContext, files: PictureFiles, fields: tuple[Field, Field], value: int
) -> Example:
    seed, label = fields
    name = f"label-{value}"

    def make(seeds: Any, labels: Any) -> NDArray[np.uint8]:
        seeds, labels = np.broadcast_arrays(np.atleast_1d(seeds), np.atleast_1d(labels))
        return context.make({seed.name: seeds.astype(np.int64), label.name: labels.astype(np.int64)})

    picture = make(0, value)[0]
    given = {seed.name: 0, label.name: value}
    return Example(
        name=name,
        kind="label",
        inputs={**context.fields, **given},
        made=files.add(name, picture),
        attributions=(
            _occlusion(files, name, make, picture, (label, value)),
            _gradients(context, given),
        ),
    )


def _occlusion(
    files: PictureFiles, name: str, make: Any, picture: NDArray[np.uint8], asked: tuple[Field, int]
) -> Attribution:
    label, value = asked
    classes = int(label.maximum or 0) + 1
    others = np.array([one for one in range(classes) if one != value])
    others = others[spread(min(MOST_ALTERNATIVES, len(others)), len(others))]
    of_labels = difference(make(0, others), picture)
    of_seeds = difference(make(np.arange(1, OTHER_SEEDS + 1), value), picture)
    without = {
        (True, True): 0 * of_seeds[0],
        (False, True): of_labels.mean(0),
        (True, False): of_seeds.mean(0),
    }
    changes = occlude(2, lambda present: np.stack([without[bool(row[0]), bool(row[1])] for row in present]))
    names = label.class_names or tuple(map(str, range(classes)))
    return Attribution(
        method="occlusion",
        without=f"all other labels, or {OTHER_SEEDS} other seeds: the mean of their changes",
        full_scale=changes.full_scale,
        causes=tuple(
            Cause(
                name=cause,
                share=float(changes.shares[index]),
                change=float(changes.means[index]),
                map=files.add_map(f"{name}-occlusion-{cause}", changes.maps[index], changes.full_scale),
            )
            for index, cause in enumerate(("label", "seed"))
        ),
        alternatives=tuple(
            Alternative(value=int(other), name=names[other], change=float(change.mean()))
            for other, change in zip(others, of_labels, strict=True)
        ),
    )


def _gradients(context: EvaluationContext, given: Mapping[str, int]) -> Attribution:
    """From no noise and the mean of all embeddings to the noise and the embeddings of the label."""
    generator = context.generator
    fixed = {**context.fields, **given}
    arrays = context.signature.check({name: np.array([value]) for name, value in fixed.items()})
    model = PixelModel(generator, context.signature).eval()
    latent, *rest = model.network_inputs(*model_inputs(arrays.values(), context.device))

    def images(noise: Tensor) -> Tensor:
        return generator(noise, *(value.repeat(len(noise), *[1] * (value.ndim - 1)) for value in rest))

    embedded = called_embeddings(generator, lambda: images(latent))
    modules = dict(generator.named_modules())

    def through(noise: Tensor, *values: Tensor) -> Tensor:
        with replaced(generator, dict(zip(embedded, values, strict=True))):
            return images(noise)

    means = [_mean_embedding(modules[name]).expand_as(value) for name, value in embedded.items()]
    way = integrate(through, [latent, *embedded.values()], [torch.zeros_like(latent), *means])
    noise, *entries = (float(one.sum()) for one in way.shares)
    return Attribution(
        method="integrated-gradients",
        without="the mean of all labels' embeddings, and no noise",
        causes=(Cause(name="label", share=sum(entries)), Cause(name="seed", share=noise)),
        remainder=way.remainder,
        entries=tuple(
            LabelEntry(layer=name, share=share) for name, share in zip(embedded, entries, strict=True)
        ),
    )


def _mean_embedding(module: nn.Module) -> Tensor:
    assert isinstance(module, nn.Embedding)
    return module.weight.detach().mean(0)
