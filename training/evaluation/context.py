"""The context of an evaluation, shared by all parts: a generator, the data to compare with and the feature net.

Sets that are compared with each other have the same size: distances and neighbourhoods depend on the number of
pictures, so only then can a figure be compared with its reference and baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
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

__all__ = ["EvaluationContext", "EvaluationSettings", "spread"]

LEAST_SAMPLES = 10
PICTURES_AT_ONCE = 100
MOST_TRAIN_SAMPLE = 60_000
_SAMPLES, _NOISE = range(2)


@dataclass(frozen=True)
class EvaluationSettings:
    """Choices of an evaluation.

    Args:
        samples: pictures to draw.
        fields: inputs fixed for all pictures, name -> value; other inputs are drawn or keep their defaults.
        inception: the network that defines FID and IS; None leaves them out.
        maker: makes the samples of checked inputs, UINT8 of shape (samples, height, width, channels); None for this
            process.

    Raises:
        UsageError: there are fewer than `LEAST_SAMPLES` samples.
    """

    samples: int
    fields: Mapping[str, float] = field(default_factory=dict)
    inception: Inception | None = None
    maker: Callable[[dict[str, NDArray[Any]]], NDArray[np.uint8]] | None = None

    def __post_init__(self) -> None:
        if self.samples < LEAST_SAMPLES:
            raise UsageError(f"{self.samples} samples are too few; expected {LEAST_SAMPLES} or more")


class EvaluationContext:
    """A generator under evaluation, with the samples and features that several parts use, computed once.

    Args:
        generator: in eval mode.
        signature: of the generator with a seed.
        train: real images that it was trained on.
        test: real images that it was not trained on.
        net: the feature net; the evaluation runs on its device.
        settings: number of samples, fixed inputs, Inception network.

    Raises:
        UsageError: the data has images of another shape than the generator, or a fixed input cannot be set.
    """

    def __init__(
        self,
        generator: Generator,
        signature: Signature,
        train: Dataset,
        test: Dataset,
        net: FeatureNet,
        settings: EvaluationSettings,
    ) -> None:
        if signature.output.shape != train.picture:
            raise UsageError(
                f"the generator makes pictures of {signature.output.shape}, data {train.name!r} has {train.picture}"
            )
        self.device = net.device
        self.generator, self.signature, self.net = generator.to(self.device), signature, net
        self.train, self.test, self.samples = train, test, settings.samples
        self.fields, self.inception = dict(settings.fields), settings.inception
        self._maker = settings.maker
        free = {
            field.name
            for field in signature.inputs
            if field.role in (Role.STEPS, Role.GUIDANCE, Role.TRUNCATION)
        }
        if unknown := sorted(set(self.fields) - free):
            raise UsageError(
                f"field {unknown[0]!r} cannot be set; allowed: {', '.join(sorted(free)) or 'none'}"
            )

    @property
    def count(self) -> int:
        """Size of every set in figures that compare sets."""
        return min(self.samples, len(self.train), len(self.test))

    def has(self, role: Role) -> bool:
        """Whether the generator has an input of this role."""
        return self.signature.field(role) is not None

    def make(self, inputs: Mapping[str, Any], *, latent: bool = False) -> NDArray[np.uint8]:
        """Run the generator.

        Args:
            inputs: field name -> array with a batch axis in front; missing fields take their value from `fields`, then
                from the signature's defaults.
            latent: `inputs` holds latents instead of seeds.

        Returns:
            UINT8 of shape (batch, height, width, channels).

        Raises:
            InvalidInput: the signature does not allow an input.
        """
        signature = with_latent(self.signature, self.generator.latent_size) if latent else self.signature
        arrays = self._checked(signature, inputs)
        model = PixelModel(self.generator, signature).eval()
        return model.make(arrays, PICTURES_AT_ONCE, self.device)

    def _checked(self, signature: Signature, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        count = len(next(iter(inputs.values())))
        fixed = {name: np.full(count, value) for name, value in self.fields.items()}
        return signature.check({**fixed, **inputs})

    def draw(self, count: int) -> dict[str, NDArray[Any]]:
        """Inputs of `count` pictures: distinct seeds; labels and captions distributed as in the training data.

        The inputs are the same at every call, and a smaller count gives the first of a larger one.

        Raises:
            EvaluationError: an input cannot be drawn from the data.
        """
        inputs: dict[str, NDArray[Any]] = {}
        for number, wanted in enumerate(self.signature.inputs):
            random = np.random.default_rng([_SAMPLES, number])
            match wanted.role:
                case Role.SEED:
                    inputs[wanted.name] = random.integers(0, 2**62, count)
                case Role.LABEL if self.train.labels is not None:
                    inputs[wanted.name] = random.choice(self.train.labels, count)
                case Role.PROMPT if self.train.captions is not None:
                    inputs[wanted.name] = random.choice(np.array(self.train.captions, object), count)
                case Role.STEPS | Role.GUIDANCE | Role.TRUNCATION:
                    continue
                case _:
                    raise EvaluationError(f"data {self.train.name!r} has no values for field {wanted.name!r}")
        return inputs

    @cached_property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """Inputs of the samples."""
        return self.draw(self.samples)

    @cached_property
    def pictures(self) -> NDArray[np.uint8]:
        """The samples, UINT8 of shape (samples, height, width, channels)."""
        if self._maker is None:
            return self.make(self.inputs)
        return self._maker(self._checked(self.signature, self.inputs))

    @cached_property
    def requested_labels(self) -> NDArray[np.int64] | None:
        """The class requested for each sample, INT64 of shape (samples,); None without classes."""
        field = self.signature.field(Role.LABEL)
        return None if field is None else self.inputs[field.name]

    @cached_property
    def sample_output(self) -> ClassifierOutput:
        """Features and classes of the samples."""
        return self.net.classify(self.pictures)

    @cached_property
    def train_sample(self) -> Dataset:
        """The training images to compare with: all, or `MOST_TRAIN_SAMPLE` taken at even intervals."""
        count = len(self.train)
        return (
            self.train if count <= MOST_TRAIN_SAMPLE else self.train.select(spread(MOST_TRAIN_SAMPLE, count))
        )

    @cached_property
    def train_output(self) -> ClassifierOutput:
        """Features and classes of the training sample."""
        return self.net.classify(self.train_sample.images)

    @cached_property
    def test_output(self) -> ClassifierOutput:
        """Features and classes of all test images."""
        return self.net.classify(self.test.images)

    @cached_property
    def noise_output(self) -> ClassifierOutput:
        """Features and classes of `count` pictures of uniform noise, 0 to 255."""
        shape = (self.count, *self.train.picture)
        return self.net.classify(np.random.default_rng(_NOISE).integers(0, 256, shape, dtype=np.uint8))


def spread(count: int, among: int) -> NDArray[np.int64]:
    """`count` indices at even intervals over `among` images, which may be sorted by class; INT64 of shape (count,)."""
    return np.linspace(0, among - 1, count).round().astype(np.int64)
