"""Recipe keys, optimizers and training step that all GAN families share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from math import cos, pi
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ..data.dataset import Batch, Dataset
from ..networks.generator import Generator
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe
from . import losses
from .augment import AugmentationNames, adapt_probability, augment, random_shift
from .task import LossStep, Task, build_network

__all__ = ["AdversarialRecipe", "AdversarialTask", "Loss", "adversarial_optimizers"]

Loss = Literal["hinge", "non-saturating", "relativistic"]

_LOSSES = {
    "hinge": (losses.hinge_discriminator, losses.hinge_generator),
    "non-saturating": (losses.non_saturating_discriminator, losses.non_saturating_generator),
    "relativistic": (losses.relativistic_discriminator, losses.relativistic_generator),
}


class AdversarialRecipe(Recipe):
    """Keys of a GAN's training.

    Args:
        latent_size: noise values per image.
        width: channels of the generator's last hidden layer; each earlier layer has twice as many.
        discriminator_width: channels of the discriminator's first layer; each later layer has twice as many.
        loss: of both networks.
        r1_gamma, r2_gamma: weights of the gradient penalties on real and on generated images; 0 disables one.
        gamma_end: share of both weights that is left at the end; they fall with the learning rates, as half a cosine
            (Huang et al. 2024 let them fall to a tenth).
        penalty_every: steps between two penalties; each is multiplied by it (Karras et al. 2020, appendix B).
        lr, discriminator_lr: learning rates of Adam.
        beta1, beta2: decay rates of Adam's moments.
        translate: largest shift in pixels of real and generated images before the discriminator.
        augment: comma-separated names of `augment.AUGMENTATIONS`, applied to all images before the discriminator.
        augment_target: target of the mean sign of the real logits (with a pairwise loss: real minus generated), to
            which the augmentation probability is adapted; 0 fixes the probability at 1.
        augment_rise_nimg: images over which that probability can rise from 0 to 1.
    """

    latent_size: Annotated[int, Constraint(ge=1, le=4096)] = 64
    width: Annotated[int, Constraint(ge=1, le=1024)] = 96
    discriminator_width: Annotated[int, Constraint(ge=1, le=1024)] = 48
    loss: Loss = "hinge"
    r1_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    r2_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    gamma_end: Rate = 1.0
    penalty_every: Count = 1
    lr: Positive = 1e-3
    discriminator_lr: Positive = 1e-3
    beta1: Rate = 0.0
    beta2: Rate = 0.99
    translate: Annotated[int, Constraint(ge=0, le=512)] = 0
    augment: AugmentationNames = ""
    augment_target: Rate = 0.0
    augment_rise_nimg: Count = 500_000


def adversarial_optimizers(
    recipe: Any,
    discriminator: Iterable[nn.Parameter],
    generator: Iterable[nn.Parameter],
) -> dict[str, torch.optim.Optimizer]:
    """One Adam each for "discriminator" and "generator".

    Args:
        recipe: with `lr`, `discriminator_lr`, `beta1` and `beta2`.
        discriminator, generator: parameters of all discriminators, and of all generators.
    """
    betas = (recipe.beta1, recipe.beta2)
    return {
        "discriminator": torch.optim.Adam(discriminator, recipe.discriminator_lr, betas, fused=True),
        "generator": torch.optim.Adam(generator, recipe.lr, betas, fused=True),
    }


class AdversarialTask(Task):
    """A generator and its discriminator, trained in turn on the same generated batch.

    Generated images have the labels of the real ones. Networks without conditions are called without labels.

    Args:
        recipe: of the training.
        generator: latent (batch, latent_size)[, label (batch,)] -> images.
        discriminator: images (batch, channels, height, width)[, label (batch,)] -> logits (batch,).

    Attributes:
        networks: classes of generator and discriminator.
        conditional: whether both networks take labels.
    """

    networks: ClassVar[tuple[type[Generator], type[nn.Module]]]
    conditional: ClassVar[bool] = False
    augment_probability: Tensor

    def __init__(self, recipe: AdversarialRecipe, generator: Generator, discriminator: nn.Module) -> None:
        super().__init__()
        self.recipe, self.generator, self.discriminator = recipe, generator, discriminator
        if recipe.augment_target:
            self.register_buffer("augment_probability", torch.zeros(()))

    @classmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Self:
        """Build the networks of a recipe for a dataset of square images; only conditional ones need its labels."""
        generator, discriminator = cls.networks
        classes, width = len(dataset.class_names), recipe.discriminator_width
        return cls(
            recipe,
            build_network(generator, recipe, dataset, classes=classes),
            build_network(discriminator, recipe, dataset, classes=classes, width=width),
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for each network."""
        return adversarial_optimizers(
            self.recipe, self.discriminator.parameters(), self.generator.parameters()
        )

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The discriminator's turn, then the generator's."""
        conditions = (batch.labels,) if self.conditional else ()
        latent = draw.normal(self.generator.latent_size)
        with nullcontext() if self.keeps_activations else torch.no_grad():
            fake = self.generator(latent, *conditions)
        yield self._discriminator_loss(batch.images, fake.detach(), conditions, draw)
        if not self.keeps_activations:
            fake = self.generator(latent, *conditions)
        yield self._generator_loss(batch.images, fake, conditions, draw)

    def _discriminator_loss(self, real: Tensor, fake: Tensor, conditions: tuple, draw: Draw) -> LossStep:
        recipe = self.recipe
        penalised = recipe.r1_gamma + recipe.r2_gamma > 0 and draw.step % recipe.penalty_every == 0
        # Real and generated images in one pass, so that the spectral norm is estimated once.
        images = torch.cat((self._augment(real, draw), self._augment(fake, draw))).requires_grad_(penalised)
        twice = tuple(torch.cat((condition, condition)) for condition in conditions)
        logits = self.discriminator(images, *twice).float()
        real_logits, fake_logits = logits.chunk(2)
        loss = _LOSSES[recipe.loss][0](real_logits, fake_logits)
        statistics = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        if recipe.augment_target:
            # A pairwise loss leaves the mean of all logits open.
            zero = fake_logits.detach() if recipe.loss == "relativistic" else 0.0
            statistics |= {
                "real_sign": (real_logits.detach() - zero).sign().mean(),
                "augment_probability": self.augment_probability,
            }
        if penalised:
            r1, r2 = (part.mean() for part in losses.squared_gradient(images, logits).chunk(2))
            weight = recipe.penalty_every * _gamma_factor(draw.step, recipe)
            loss = loss + (recipe.r1_gamma * r1 + recipe.r2_gamma * r2) / 2 * weight
            statistics |= {"r1": r1, "r2": r2}
        return LossStep("discriminator", loss, statistics)

    def _generator_loss(self, real: Tensor, fake: Tensor, conditions: tuple, draw: Draw) -> LossStep:
        # The gradient passes through the discriminator, whose own parameters need none here.
        self.discriminator.requires_grad_(False)
        fake_logits = self.discriminator(self._augment(fake, draw), *conditions).float()
        real_logits = fake_logits
        if self.recipe.loss == "relativistic":
            real_logits = self.discriminator(self._augment(real, draw), *conditions).float()
        self.discriminator.requires_grad_(True)
        return LossStep("generator", _LOSSES[self.recipe.loss][1](real_logits, fake_logits))

    def adapt(self, statistics: Mapping[str, float]) -> None:
        """Adapt the augmentation probability to the sign of the real logits."""
        recipe = self.recipe
        if recipe.augment_target:
            probability = adapt_probability(
                self.augment_probability.item(),
                statistics["real_sign"],
                recipe.augment_target,
                recipe.batch,
                recipe.augment_rise_nimg,
            )
            self.augment_probability.fill_(probability)

    def _augment(self, images: Tensor, draw: Draw) -> Tensor:
        probability = self.augment_probability if self.recipe.augment_target else 1.0
        shifted = random_shift(images, draw, self.recipe.translate)
        return augment(shifted, draw, self.recipe.augment, probability)


def _gamma_factor(step: int, recipe: AdversarialRecipe) -> float:
    """Factor of the penalties' weights at a step, `gamma_end` to 1."""
    if not recipe.decay_nimg:
        return 1.0
    left = min(1.0, (recipe.steps - step) * recipe.batch / recipe.decay_nimg)
    return recipe.gamma_end + (1 - recipe.gamma_end) * (1 - cos(pi * left)) / 2
