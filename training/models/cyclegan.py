"""Image to image without pairs (CycleGAN): translates images of one kind into another kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import seed_field
from ..data.dataset import Batch, Dataset
from ..data.pixels import from_levels
from ..networks.generator import Generator as BaseGenerator
from ..networks.image_to_image import MOST_TIMES, PatchDiscriminator, ResidualNetwork, check_sources
from ..objectives.augment import augment_jointly
from ..objectives.gan import adversarial_optimizers
from ..objectives.losses import relativistic_discriminator, relativistic_generator, squared_gradient
from ..objectives.task import LossStep, Task as BaseTask, build_network
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe
from .base import check_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Task"]


SMALLEST = {"data": "shapes-pairs", "width": 4, "discriminator_width": 4, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of a training without pairs.

    Args:
        width: channels of both generators at the picture's resolution; two halvings double them.
        blocks: residual blocks of each generator.
        noise: strength of the seed's noise.
        discriminator_width: channels of a discriminator's first layer; each later layer has twice as many.
        discriminator_layers: halvings in a discriminator.
        gamma: weight of the gradient penalties on real and generated images.
        cycle_weight: of the mean absolute error after translation there and back.
        identity_weight: of the mean absolute error of images that are already of the target kind; 0 disables it.
        translate: largest random shift in pixels; it hides margins that only one of the kinds has.
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
    """A residual network whose innermost features are multiplied by noise from the seed.

    Args:
        resolution: height and width of both images in pixels, 4 to 7 times a power of two, divisible by 4.
        channels: of both pictures, 1 (grey) or 3 (RGB).
        width: channels at full resolution; two halvings double them.
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
                f"resolution {resolution} is not allowed; family 'cyclegan' expects a multiple of 4"
                " (--set resolution=...)"
            )
        self.network, self.noise = ResidualNetwork(channels, channels, width, blocks), noise
        self.latent_size = self.network.inside

    def forward(self, latent: Tensor, source: Tensor) -> Tensor:
        """FP32 (batch, latent_size), FP32 (batch, channels, height, width) in [-1, 1] -> like the source.

        Its initial weights give nearly the identity; outputs may slightly exceed [-1, 1].
        """
        return source + self.network(source, latent, self.noise)

    def sides(self) -> range:
        """Multiples of 4 that leave more than one value to normalise over."""
        return range(8, MOST_TIMES * self.architecture["resolution"] + 1, 4)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed and picture in, picture out."""
        return Signature(inputs=(seed_field(), self.source_field), output=self.image_field)


class Task(BaseTask):
    """Two generators, one per direction, each with a discriminator of its target kind (Zhu et al. 2017).

    Pairs in the data are not used: the sources of a batch are drawn independently of its images.

    Args:
        recipe: of the training.
        generators: from source to image, and back.
        discriminators: of images, and of sources.
        sources: all source images, UINT8 of shape (count, channels, height, width).
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
        # On the device but not in the state dict: a resumed run reads the data again.
        self.register_buffer("sources", sources, persistent=False)

    @classmethod
    def build(cls, recipe: Recipe, dataset: Dataset) -> Task:
        """Build the networks of a recipe for a dataset of square images and sources."""
        check_sources(dataset, "cyclegan")
        assert dataset.sources is not None
        channels = dataset.picture[2]
        width, layers = recipe.discriminator_width, recipe.discriminator_layers
        there, back = (build_network(Generator, recipe, dataset) for _ in range(2))
        of_images, of_sources = (
            PatchDiscriminator(channels, width, layers, normalised=False) for _ in range(2)
        )
        sources = torch.from_numpy(dataset.sources).permute(0, 3, 1, 2)
        return cls(recipe, (there, back), (of_images, of_sources), sources)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for both generators, one for both discriminators."""
        discriminators = [*self.image_discriminator.parameters(), *self.source_discriminator.parameters()]
        generators = [*self.generator.parameters(), *self.back.parameters()]
        return adversarial_optimizers(self.recipe, discriminators, generators)

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The loss of both discriminators, then that of both generators."""
        chosen = from_levels(self.sources[draw.integers(len(self.sources))])
        (images,) = augment_jointly(draw, self.recipe.translate, batch.images)
        (sources,) = augment_jointly(draw, self.recipe.translate, chosen)
        made = self._translate(self.generator, sources, draw)
        made_back = self._translate(self.back, images, draw)
        loss, statistics = torch.zeros((), device=images.device), {}
        for kind, discriminator, real, fake in (
            ("image", self.image_discriminator, images, made),
            ("source", self.source_discriminator, sources, made_back),
        ):
            pictures = torch.cat((real, fake.detach())).requires_grad_(self.recipe.gamma > 0)
            logits = discriminator(pictures).float()
            real_logits, fake_logits = logits.chunk(2)
            loss = loss + relativistic_discriminator(real_logits, fake_logits)
            statistics |= {f"real_{kind}_logit": real_logits.mean(), f"fake_{kind}_logit": fake_logits.mean()}
            if self.recipe.gamma:
                # Half the sum of the two means over equal halves is the mean over all.
                penalty = squared_gradient(pictures, logits.mean((1, 2, 3))).mean()
                loss = loss + self.recipe.gamma * penalty
                statistics[f"{kind}_penalty"] = penalty
        yield LossStep("discriminator", loss, statistics)
        yield self._generator_loss((sources, images), (made, made_back), draw)

    def _generator_loss(
        self, real: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor], draw: Draw
    ) -> LossStep:
        (sources, images), (made_images, made_sources) = real, made
        discriminators = (self.image_discriminator, self.source_discriminator)
        # The gradient passes through the discriminators, whose own parameters need none here.
        for discriminator in discriminators:
            discriminator.requires_grad_(False)
        adversarial = sum(
            relativistic_generator(discriminator(target).float(), discriminator(fake).float())
            for discriminator, target, fake in zip(discriminators, (images, sources), made, strict=True)
        )
        for discriminator in discriminators:
            discriminator.requires_grad_(True)
        # Errors are shares of the pixel range, which is 2 here.
        cycle = (self._translate(self.back, made_images, draw) - sources).abs().mean() / 2
        cycle = cycle + (self._translate(self.generator, made_sources, draw) - images).abs().mean() / 2
        loss, statistics = adversarial + self.recipe.cycle_weight * cycle, {"cycle": cycle}
        if self.recipe.identity_weight:
            same = (self._translate(self.generator, images, draw) - images).abs().mean() / 2
            same = same + (self._translate(self.back, sources, draw) - sources).abs().mean() / 2
            loss, statistics["identity"] = loss + self.recipe.identity_weight * same, same
        return LossStep("generator", loss, statistics)

    def _translate(self, generator: nn.Module, pictures: Tensor, draw: Draw) -> Tensor:
        return generator(draw.normal(self.generator.latent_size), pictures).float()
