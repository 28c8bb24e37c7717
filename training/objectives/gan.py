"""Two networks against each other: the recipe keys and the step that every family of GAN shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ..data.dataset import Batch
from ..models.base import Generator, Optimisation, Task
from ..recipe import Count, Positive, Rate, Recipe
from ..run.randomness import Draw
from . import losses
from .augment import Changes, augmented, steered, translated

__all__ = ["AdversarialRecipe", "AdversarialTask", "Loss", "opposed"]

Loss = Literal["hinge", "non-saturating", "relativistic"]

_LOSSES = {
    "hinge": (losses.hinge_discriminator, losses.hinge_generator),
    "non-saturating": (losses.non_saturating_discriminator, losses.non_saturating_generator),
    "relativistic": (losses.relativistic_discriminator, losses.relativistic_generator),
}


class AdversarialRecipe(Recipe):
    """Keys of a GAN's training.

    Args:
        latent_size: values of noise per picture.
        width: channels of the generator's last hidden layer; each layer below has twice as many.
        discriminator_width: channels of the discriminator's first layer; each layer above has twice as many.
        loss: of both networks.
        r1_gamma, r2_gamma: weights of the gradient penalties on real and on made images; 0 leaves one out.
        penalty_every: steps between two penalties, each then weighted so many times (Karras et al. 2020, appendix B).
        lr, discriminator_lr: learning rates of Adam.
        beta1, beta2: decay rates of Adam's moments.
        translate: pixels by which real and made images are shifted before they are judged, at most.
        augment: further changes of all images before they are judged, some of `augment.CHANGES` with commas
            between them.
        augment_target: mean sign of the logits of real images (with a pairwise loss: of how far they lie above those
            of made ones) that the probability of these changes is steered to; 0 makes them always.
        augment_rise_nimg: images over which that probability can go from 0 to 1.
    """

    latent_size: Annotated[int, Constraint(ge=1, le=4096)] = 64
    width: Annotated[int, Constraint(ge=1, le=1024)] = 96
    discriminator_width: Annotated[int, Constraint(ge=1, le=1024)] = 48
    loss: Loss = "hinge"
    r1_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    r2_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 0.0
    penalty_every: Count = 1
    lr: Positive = 1e-3
    discriminator_lr: Positive = 1e-3
    beta1: Rate = 0.0
    beta2: Rate = 0.99
    translate: Annotated[int, Constraint(ge=0, le=512)] = 0
    augment: Changes = ""
    augment_target: Rate = 0.0
    augment_rise_nimg: Count = 500_000


class OpposedRecipe(Protocol):
    """Keys by which two sides learn against each other: learning rates and decay rates of Adam's moments."""

    lr: float
    discriminator_lr: float
    beta1: float
    beta2: float


def opposed(
    recipe: OpposedRecipe, judges: Iterable[nn.Parameter], makers: Iterable[nn.Parameter]
) -> dict[str, torch.optim.Optimizer]:
    """One Adam for each side of an adversarial training: "discriminator" and "generator".

    Args:
        recipe: of the training.
        judges, makers: parameters of all discriminators, and of all generators.
    """
    betas = (recipe.beta1, recipe.beta2)
    return {
        "discriminator": torch.optim.Adam(judges, recipe.discriminator_lr, betas, fused=True),
        "generator": torch.optim.Adam(makers, recipe.lr, betas, fused=True),
    }


class AdversarialTask(Task):
    """A generator and the discriminator that judges it, trained in turn on one and the same made batch.

    The made images carry the labels of the real ones beside them; a generator or discriminator without
    conditions is called without labels.

    Args:
        recipe: what is trained how.
        generator: latent (batch, latent_size)[, label (batch,)] -> images.
        discriminator: images (batch, channels, height, width)[, label (batch,)] -> logits (batch,).
        conditional: whether both networks take labels.
    """

    augment_probability: Tensor

    def __init__(
        self, recipe: AdversarialRecipe, generator: Generator, discriminator: nn.Module, *, conditional: bool
    ) -> None:
        super().__init__()
        self.recipe, self.generator, self.discriminator = recipe, generator, discriminator
        self.conditional = conditional
        if recipe.augment_target:
            self.register_buffer("augment_probability", torch.zeros(()))

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for each network."""
        return opposed(self.recipe, self.discriminator.parameters(), self.generator.parameters())

    def losses(self, batch: Batch, draw: Draw) -> Iterator[Optimisation]:
        """The discriminator's turn, then the generator's."""
        conditions = (batch.labels,) if self.conditional else ()
        fake = self.generator(draw.normal(self.generator.latent_size), *conditions)
        yield self._discriminator_loss(batch.images, fake.detach(), conditions, draw)
        yield self._generator_loss(batch.images, fake, conditions, draw)

    def _discriminator_loss(self, real: Tensor, fake: Tensor, conditions: tuple, draw: Draw) -> Optimisation:
        recipe = self.recipe
        penalised = recipe.r1_gamma + recipe.r2_gamma > 0 and draw.step % recipe.penalty_every == 0
        # Both halves in one pass: half the calls, and the spectral norm is estimated once.
        images = torch.cat((self._changed(real, draw), self._changed(fake, draw))).requires_grad_(penalised)
        twice = tuple(torch.cat((condition, condition)) for condition in conditions)
        logits = self.discriminator(images, *twice).float()
        real_logits, fake_logits = logits.chunk(2)
        loss = _LOSSES[recipe.loss][0](real_logits, fake_logits)
        statistics = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        if recipe.augment_target:
            # A pairwise loss does not say where zero lies.
            zero = fake_logits.detach() if recipe.loss == "relativistic" else 0.0
            statistics |= {
                "real_sign": (real_logits.detach() - zero).sign().mean(),
                "augment_probability": self.augment_probability,
            }
        if penalised:
            r1, r2 = (part.mean() for part in losses.squared_gradient(images, logits).chunk(2))
            loss = loss + (recipe.r1_gamma * r1 + recipe.r2_gamma * r2) / 2 * recipe.penalty_every
            statistics |= {"r1": r1, "r2": r2}
        return Optimisation("discriminator", loss, statistics)

    def _generator_loss(self, real: Tensor, fake: Tensor, conditions: tuple, draw: Draw) -> Optimisation:
        # The gradient passes through the discriminator; its own parameters need none in this turn.
        self.discriminator.requires_grad_(False)
        fake_logits = self.discriminator(self._changed(fake, draw), *conditions).float()
        real_logits = fake_logits
        if self.recipe.loss == "relativistic":
            real_logits = self.discriminator(self._changed(real, draw), *conditions).float()
        self.discriminator.requires_grad_(True)
        return Optimisation("generator", _LOSSES[self.recipe.loss][1](real_logits, fake_logits))

    def steer(self, statistics: Mapping[str, float]) -> None:
        """Adapt the probability of the augmentation to what the step showed."""
        recipe = self.recipe
        if recipe.augment_target:
            probability = steered(
                self.augment_probability.item(),
                statistics["real_sign"],
                recipe.augment_target,
                recipe.batch,
                recipe.augment_rise_nimg,
            )
            self.augment_probability.fill_(probability)

    def _changed(self, images: Tensor, draw: Draw) -> Tensor:
        probability = self.augment_probability if self.recipe.augment_target else 1.0
        moved = translated(images, draw, self.recipe.translate)
        return augmented(moved, draw, self.recipe.augment, probability)
