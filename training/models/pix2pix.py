"""Image to image from pairs (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ...signature import Signature
from ...signature.fields import seed_field
from ..data.dataset import Batch, Dataset
from ..networks.generator import Generator as BaseGenerator
from ..networks.image_to_image import PatchDiscriminator, UNet, check_sources
from ..objectives import losses
from ..objectives.augment import augment_jointly
from ..objectives.gan import adversarial_optimizers
from ..objectives.task import LossStep, Task as BaseTask, build_network
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe
from .base import check_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Task"]

Loss = Literal["non-saturating", "least-squares"]

_LOSSES = {
    "non-saturating": (losses.non_saturating_discriminator, losses.non_saturating_generator),
    "least-squares": (losses.least_squares_discriminator, losses.least_squares_generator),
}


SMALLEST = {"data": "shapes-pairs", "width": 4, "discriminator_width": 4}


class Recipe(BaseRecipe):
    """Keys of a training from pairs.

    Args:
        width: channels at full resolution; each halving doubles them.
        blocks: residual blocks at the smallest size.
        noise: strength of the seed's noise.
        discriminator_width: channels of the discriminator's first layer; each later layer has twice as many.
        discriminator_layers: halvings in the discriminator.
        loss: of both networks.
        l1_weight: of the mean absolute error, added to the generator's loss.
        translate: largest random shift of a pair in pixels.
        lr, discriminator_lr: learning rates of Adam.
        beta1, beta2: decay rates of Adam's moments.
    """

    width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    blocks: Annotated[int, Constraint(ge=0, le=64)] = 0
    noise: Rate = 0.3
    discriminator_width: Annotated[int, Constraint(ge=1, le=1024)] = 16
    discriminator_layers: Annotated[int, Constraint(ge=1, le=6)] = 2
    loss: Loss = "non-saturating"
    l1_weight: Positive = 100.0
    translate: Annotated[int, Constraint(ge=0, le=512)] = 4
    lr: Positive = 5e-4
    discriminator_lr: Positive = 2e-4
    beta1: Rate = 0.5
    beta2: Rate = 0.99
    stats_nimg: Count = 10_000


class Generator(BaseGenerator):
    """A U-Net whose innermost features are multiplied by noise from the seed.

    Args:
        resolution: height and width of both images in pixels, 4 to 7 times a power of two.
        channels: of both pictures, 1 (grey) or 3 (RGB).
        width: channels at full resolution; each halving doubles them.
        blocks: residual blocks at the smallest size.
        noise: strength of the seed's noise.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: int = 3,
        width: int = 32,
        blocks: int = 0,
        noise: float = 0.3,
    ) -> None:
        super().__init__(resolution=resolution, channels=channels, width=width, blocks=blocks, noise=noise)
        check_image_shape(resolution, channels)
        self.network, self.noise = UNet(channels, channels, resolution, width, blocks), noise
        self.latent_size = self.network.inside

    def forward(self, latent: Tensor, source: Tensor) -> Tensor:
        """FP32 (batch, latent_size), FP32 (batch, channels, height, width) in [-1, 1] -> like the source."""
        return torch.tanh(2 * source + self.network(source, latent, self.noise))

    def sides(self) -> range:
        """Sizes that the U-Net can halve (`UNet.sides`)."""
        return self.network.sides

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed and picture in, picture out."""
        return Signature(inputs=(seed_field(), self.source_field), output=self.image_field)


class Task(BaseTask):
    """A U-Net and a discriminator that sees source and image together.

    Args:
        recipe: of the training.
        generator: latent and source -> image.
        discriminator: source and image, concatenated along the channels -> logits of patches.
    """

    def __init__(self, recipe: Recipe, generator: Generator, discriminator: nn.Module) -> None:
        super().__init__()
        self.recipe, self.generator, self.discriminator = recipe, generator, discriminator

    @classmethod
    def build(cls, recipe: Recipe, dataset: Dataset) -> Task:
        """Build the networks of a recipe for a dataset of square pairs."""
        check_sources(dataset, "pix2pix")
        generator = build_network(Generator, recipe, dataset)
        inputs = 2 * dataset.picture[2]
        discriminator = PatchDiscriminator(inputs, recipe.discriminator_width, recipe.discriminator_layers)
        return cls(recipe, generator, discriminator)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for each network."""
        return adversarial_optimizers(
            self.recipe, self.discriminator.parameters(), self.generator.parameters()
        )

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The discriminator's loss, then the generator's."""
        assert batch.sources is not None
        images, sources = augment_jointly(draw, self.recipe.translate, batch.images, batch.sources)
        made = self.generator(draw.normal(self.generator.latent_size), sources).float()
        discriminator_loss, generator_loss = _LOSSES[self.recipe.loss]
        pairs = torch.cat((torch.cat((sources, images), 1), torch.cat((sources, made.detach()), 1)))
        real, fake = self.discriminator(pairs).float().chunk(2)
        yield LossStep(
            "discriminator",
            discriminator_loss(real, fake),
            {"real_logit": real.mean(), "fake_logit": fake.mean()},
        )
        # The gradient passes through the discriminator, whose own parameters need none here.
        self.discriminator.requires_grad_(False)
        fake = self.discriminator(torch.cat((sources, made), 1)).float()
        self.discriminator.requires_grad_(True)
        # As a share of the pixel range, which is 2 here.
        error = (made - images).abs().mean() / 2
        yield LossStep("generator", generator_loss(fake, fake) + self.recipe.l1_weight * error, {"l1": error})
