"""Image to image, without pairs: pictures of one kind and of another -> the first in the kind of the second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import image_output, seed_field, source_field
from ..data.dataset import Batch, Dataset
from ..networks.generator import Generator as BaseGenerator
from ..networks.image_to_image import (
    MOST_TIMES,
    PatchDiscriminator,
    ResidualNetwork,
    check_sources,
)
from ..objectives.augment import augment_jointly
from ..objectives.gan import adversarial_optimizers
from ..objectives.losses import relativistic_discriminator, relativistic_generator, squared_gradient
from ..objectives.task import LossStep
from ..objectives.task import Task as BaseTask
from ..randomness import Draw
from ..recipe import Count, Positive, Rate
from ..recipe import Recipe as BaseRecipe
from .base import check_image_shape, square_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Task"]


SMALLEST = {"data": "shapes-pairs", "width": 4, "discriminator_width": 4, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of a training without pairs.

    Args:
        width: channels of both generators at the picture's resolution; two halvings double them.
        blocks: residual blocks of each generator.
        noise: strength of the seed's noise.
        discriminator_width: channels of a discriminator's first layer; each layer above has twice as many.
        discriminator_layers: halvings of what it judges.
        gamma: weight of the penalties on a discriminator's gradients at real and at made pictures.
        cycle_weight: of the mean absolute error of what comes back, beside a generator's loss.
        identity_weight: of the mean absolute error of what should stay as it is; 0 leaves it out.
        translate: pixels by which pictures are moved, at most; where one kind reaches the border and the other has a
            margin, moving either hides that.
        lr, discriminator_lr: learning rates of Adam.
        beta1, beta2: decay rates of Adam's moments.
    """

    width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    blocks: Annotated[int, Constraint(ge=0, le=64)] = 6
    noise: Rate = 0.1
    discriminator_width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    discriminator_layers: Annotated[int, Constraint(ge=1, le=6)] = 4
    gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 10.0
    cycle_weight: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 2.0
    identity_weight: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    translate: Annotated[int, Constraint(ge=0, le=512)] = 0
    lr: Positive = 2e-4
    discriminator_lr: Positive = 2e-4
    beta1: Rate = 0.5
    beta2: Rate = 0.99
    stats_nimg: Count = 10_000


class Generator(BaseGenerator):
    """A residual network whose innermost features are disturbed by the seed's noise.

    Args:
        resolution: height and width of both pictures in pixels, 4 to 7 doubled again and again, divisible by 4.
        channels: of both pictures, 1 (grey) or 3 (RGB).
        width: channels at the picture's resolution; two halvings double them.
        blocks: residual blocks.
        noise: strength of the seed's noise.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: int = 3,
        width: int = 32,
        blocks: int = 6,
        noise: float = 0.1,
    ) -> None:
        super().__init__(resolution=resolution, channels=channels, width=width, blocks=blocks, noise=noise)
        check_image_shape(resolution, channels)
        if resolution % 4:
            raise UsageError(
                f"resolution {resolution} is not allowed; family 'cyclegan' halves a picture twice, so that it must be"
                " divisible by 4 (--set resolution=...)"
            )
        self.network, self.noise = ResidualNetwork(channels, channels, width, blocks), noise
        self.latent_size = self.network.inside

    def forward(self, latent: Tensor, source: Tensor) -> Tensor:
        """FP32 (batch, latent_size), FP32 (batch, channels, height, width) in [-1, 1] -> like the source.

        It begins as the identity; what is made may lie a little beyond [-1, 1].
        """
        return source + self.network(source, latent, self.noise)

    def sides(self) -> range:
        """Whatever can be halved twice and has more than one value left to normalise over."""
        return range(8, MOST_TIMES * self.architecture["resolution"] + 1, 4)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed and picture in, picture out."""
        resolution, channels = self.architecture["resolution"], self.architecture["channels"]
        return Signature(
            inputs=(seed_field(), source_field(resolution, resolution, channels)),
            output=image_output(resolution, resolution, channels),
        )


class Task(BaseTask):
    """Two generators, there and back, each against a discriminator of the kind that it makes (Zhu et al. 2017).

    The pairing that the data may have is thrown away: beside the images of a batch stand sources that were drawn by
    themselves among all of them.

    Args:
        recipe: what is trained how.
        generators: from source to image, and back.
        discriminators: of images, and of sources.
        sources: UINT8 of shape (count, channels, height, width), all that there are.
    """

    sources: Tensor

    def __init__(
        self,
        recipe: Recipe,
        generators: tuple[Generator, Generator],
        discriminators: tuple[nn.Module, nn.Module],
        sources: Tensor,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.generator, self.back = generators
        self.image_discriminator, self.source_discriminator = discriminators
        # Beside the weights on their device, but no part of the state: the data is read again when a run goes on.
        self.register_buffer("sources", sources, persistent=False)

    @classmethod
    def build(cls, recipe: Recipe, dataset: Dataset) -> Task:
        """The networks of a recipe, sized for a dataset with square images and sources."""
        check_sources(dataset, "cyclegan")
        assert dataset.sources is not None
        resolution, channels = square_image_shape(dataset, "cyclegan")

        def generator() -> Generator:
            return Generator(
                resolution=resolution,
                channels=channels,
                width=recipe.width,
                blocks=recipe.blocks,
                noise=recipe.noise,
            )

        def discriminator() -> PatchDiscriminator:
            return PatchDiscriminator(
                channels, recipe.discriminator_width, recipe.discriminator_layers, normalised=False
            )

        sources = torch.from_numpy(dataset.sources).permute(0, 3, 1, 2)
        return cls(recipe, (generator(), generator()), (discriminator(), discriminator()), sources)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for both generators, one for both discriminators."""
        judges = [*self.image_discriminator.parameters(), *self.source_discriminator.parameters()]
        makers = [*self.generator.parameters(), *self.back.parameters()]
        return adversarial_optimizers(self.recipe, judges, makers)

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The discriminators' turn, then the generators'."""
        chosen = self.sources[draw.integers(len(self.sources))].float() / 127.5 - 1
        (images,) = augment_jointly(draw, self.recipe.translate, batch.images)
        (sources,) = augment_jointly(draw, self.recipe.translate, chosen)
        made = self._made(self.generator, sources, draw)
        made_back = self._made(self.back, images, draw)
        loss, statistics = torch.zeros((), device=images.device), {}
        for kind, judge, real, fake in (
            ("image", self.image_discriminator, images, made),
            ("source", self.source_discriminator, sources, made_back),
        ):
            pictures = torch.cat((real, fake.detach())).requires_grad_(self.recipe.gamma > 0)
            logits = judge(pictures).float()
            of_real, of_fake = logits.chunk(2)
            loss = loss + relativistic_discriminator(of_real, of_fake)
            statistics |= {f"real_{kind}_logit": of_real.mean(), f"fake_{kind}_logit": of_fake.mean()}
            if self.recipe.gamma:
                # Of half the sum of both means twice the mean of all.
                penalty = squared_gradient(pictures, logits.mean((1, 2, 3))).mean()
                loss = loss + self.recipe.gamma * penalty
                statistics[f"{kind}_penalty"] = penalty
        yield LossStep("discriminator", loss, statistics)
        yield self._generator_loss((sources, images), (made, made_back), draw)

    def _generator_loss(
        self, real: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor], draw: Draw
    ) -> LossStep:
        (sources, images), (made_images, made_sources) = real, made
        judges = (self.image_discriminator, self.source_discriminator)
        # The gradient passes through the discriminators; their own parameters need none in this turn.
        for judge in judges:
            judge.requires_grad_(False)
        adversarial = sum(
            relativistic_generator(judge(wanted).float(), judge(fake).float())
            for judge, wanted, fake in zip(judges, (images, sources), made, strict=True)
        )
        for judge in judges:
            judge.requires_grad_(True)
        # Pixels are compared as shares of their range, which is 2 wide here.
        cycle = (self._made(self.back, made_images, draw) - sources).abs().mean() / 2
        cycle = cycle + (self._made(self.generator, made_sources, draw) - images).abs().mean() / 2
        loss, statistics = adversarial + self.recipe.cycle_weight * cycle, {"cycle": cycle}
        if self.recipe.identity_weight:
            same = (self._made(self.generator, images, draw) - images).abs().mean() / 2
            same = same + (self._made(self.back, sources, draw) - sources).abs().mean() / 2
            loss, statistics["identity"] = loss + self.recipe.identity_weight * same, same
        return LossStep("generator", loss, statistics)

    def _made(self, generator: nn.Module, pictures: Tensor, draw: Draw) -> Tensor:
        return generator(draw.normal(self.generator.latent_size), pictures).float()
