"""The context of an evaluation, shared by all parts: a generator, the data to compare with and the feature net.

Sets that are compared with each other have the same size: distances and neighbourhoods depend on the number of
pictures, so only then can a figure be compared with its reference and baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import EvaluationError, UsageError
from ...signature import Signature, with_latent
from ...signature.fields import Role
from ..data.dataset import Dataset
from ..models import Generator
from ..networks.pixel_model import PixelModel
from .classifier import ClassifierOutput
from .feature_net import FeatureNet
from .inception import Inception

__all__ = ["EvaluationContext", "spread"]

PICTURES_AT_ONCE = 100
MOST_TRAIN_SAMPLE = 60_000
_SAMPLES, _NOISE = range(2)


class EvaluationContext:
    """A generator under evaluation, with what several parts need, made once.

    Args:
        generator: in eval mode.
        signature: of its pictures, from a seed.
        train: real images that it was trained on.
        test: real images that it was not trained on.
        net: the judge.
        samples: pictures to draw.
        fields: inputs that are set for all pictures, name -> value; the others are drawn or keep their defaults.
        device: "cpu" or "cuda".
        inception: the network that FID and IS are defined by; None leaves them out.

    Raises:
        UsageError: the generator's pictures are not of the data's shape, or a field is none of the signature.
    """

    def __init__(
        self,
        generator: Generator,
        signature: Signature,
        train: Dataset,
        test: Dataset,
        net: FeatureNet,
        *,
        samples: int,
        fields: Mapping[str, float] | None = None,
        device: str = "cpu",
        inception: Inception | None = None,
    ) -> None:
        if signature.output.shape != train.picture:
            raise UsageError(
                f"the generator makes pictures of {signature.output.shape}, data {train.name!r} has {train.picture}"
            )
        self.generator, self.signature, self.net = generator.to(device), signature, net
        self.train, self.test, self.samples, self.device = train, test, samples, device
        self.fields, self.inception = dict(fields or {}), inception
        free = {
            field.name
            for field in signature.inputs
            if field.role in (Role.STEPS, Role.GUIDANCE, Role.TRUNCATION)
        }
        if unknown := sorted(set(self.fields) - free):
            raise UsageError(
                f"field {unknown[0]!r} cannot be set (can be: {', '.join(sorted(free)) or 'none'})"
            )

    @property
    def count(self) -> int:
        """Pictures of every set in figures that compare sets."""
        return min(self.samples, len(self.train), len(self.test))

    def has(self, role: Role) -> bool:
        """Whether the generator takes an input of that role."""
        return self.signature.field(role) is not None

    def make(self, inputs: Mapping[str, Any], *, latent: bool = False) -> NDArray[np.uint8]:
        """Pictures of some inputs.

        Args:
            inputs: field name -> array with a batch axis in front; what is left out is filled in with `fields`, then
                with the signature's defaults.
            latent: `inputs` has the latent in the seed's place.

        Returns:
            UINT8 of shape (batch, height, width, channels).

        Raises:
            InvalidInput: an input is not what the signature allows.
        """
        signature = with_latent(self.signature, self.generator.latent_size) if latent else self.signature
        count = len(next(iter(inputs.values())))
        fixed = {name: np.full(count, value) for name, value in self.fields.items()}
        arrays = signature.check({**fixed, **inputs})
        picture = PixelModel(self.generator, signature).eval()
        parts = []
        with torch.inference_mode():
            for start in range(0, count, PICTURES_AT_ONCE):
                rows = slice(start, start + PICTURES_AT_ONCE)
                parts.append(picture(*(self._tensor(array[rows]) for array in arrays.values())).cpu().numpy())
        return np.concatenate(parts)

    def draw(self, count: int) -> dict[str, NDArray[Any]]:
        """Inputs of `count` pictures: distinct seeds, labels and captions as often as the training data has them.

        The same ones at every call; those of fewer pictures are the first of those of more.

        Raises:
            EvaluationError: an input cannot be drawn from the data.
        """
        inputs: dict[str, NDArray[Any]] = {}
        for number, field in enumerate(self.signature.inputs):
            random = np.random.default_rng([_SAMPLES, number])
            match field.role:
                case Role.SEED:
                    inputs[field.name] = random.integers(0, 2**62, count)
                case Role.LABEL if self.train.labels is not None:
                    inputs[field.name] = random.choice(self.train.labels, count)
                case Role.PROMPT if self.train.captions is not None:
                    inputs[field.name] = random.choice(np.array(self.train.captions, object), count)
                case Role.STEPS | Role.GUIDANCE | Role.TRUNCATION:
                    continue
                case _:
                    raise EvaluationError(
                        f"data {self.train.name!r} has nothing to give for field {field.name!r}"
                    )
        return inputs

    @cached_property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """Inputs of the samples."""
        return self.draw(self.samples)

    @cached_property
    def pictures(self) -> NDArray[np.uint8]:
        """The samples, UINT8 of shape (samples, height, width, channels)."""
        return self.make(self.inputs)

    @cached_property
    def asked(self) -> NDArray[np.int64] | None:
        """The class that each sample was asked for, INT64 of shape (samples,); None without classes."""
        field = self.signature.field(Role.LABEL)
        return None if field is None else self.inputs[field.name]

    @cached_property
    def sample_output(self) -> ClassifierOutput:
        """What the judge says of the samples."""
        return self.net.describe(self.pictures)

    @cached_property
    def train_sample(self) -> Dataset:
        """What pictures are compared with: the training images, or `MOST_TRAIN_SAMPLE` of them, spread evenly."""
        count = len(self.train)
        return (
            self.train if count <= MOST_TRAIN_SAMPLE else self.train.select(spread(MOST_TRAIN_SAMPLE, count))
        )

    @cached_property
    def train_output(self) -> ClassifierOutput:
        """What the judge says of the training sample."""
        return self.net.describe(self.train_sample.images)

    @cached_property
    def test_output(self) -> ClassifierOutput:
        """What the judge says of all test images."""
        return self.net.describe(self.test.images)

    @cached_property
    def noise_output(self) -> ClassifierOutput:
        """What the judge says of `count` pictures whose every value is uniform on 0 to 255."""
        shape = (self.count, *self.train.picture)
        return self.net.describe(np.random.default_rng(_NOISE).integers(0, 256, shape, dtype=np.uint8))

    def _tensor(self, array: NDArray[Any]) -> Any:
        # Texts are no tensors: they go in as they are.
        return array.tolist() if array.dtype == object else torch.from_numpy(array).to(self.device)


def spread(count: int, among: int) -> NDArray[np.int64]:
    """`count` indices spread evenly over `among` images, which may be sorted by class; INT64 of shape (count,)."""
    return np.linspace(0, among - 1, count).round().astype(np.int64)
