"""The adversarial step: which images the discriminator sees in both turns, and the weight of the penalties."""

import pytest
import torch
from torch import Tensor, nn

from litho.signature import Signature
from litho.signature.fields import image_output, seed_field
from litho.training.data.dataset import Batch
from litho.training.models import Generator, dcgan
from litho.training.objectives.losses import non_saturating_discriminator
from litho.training.presets import resolve
from litho.training.randomness import Draw

REAL, FAKE, GREY = 0.5, 0.25, 0.0
BATCH, SIDE = 6, 8


class FlatGenerator(Generator):
    """Makes images of one value, which is learned."""

    latent_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(FAKE))

    def forward(self, latent: Tensor) -> Tensor:
        return self.value.expand(len(latent), 1, SIDE, SIDE) + 0 * latent.sum()

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        return Signature(inputs=(seed_field(),), output=image_output(SIDE, SIDE, 1))


class LinearDiscriminator(nn.Module):
    """Sums the pixels times one weight, and keeps the images it saw; its gradient is the weight, at every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.3))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return (images * self.weight).flatten(1).sum(1)


def task(**keys: object) -> tuple[dcgan.Task, LinearDiscriminator]:
    overrides = {key: str(value) for key, value in {"r1_gamma": 0, "batch": BATCH, **keys}.items()}
    recipe, discriminator = resolve("dcgan-digits", overrides=overrides), LinearDiscriminator()
    assert isinstance(recipe, dcgan.Recipe)
    return dcgan.Task(recipe, FlatGenerator(), discriminator), discriminator


def step(trained: dcgan.Task, number: int = 0):
    batch = Batch(torch.full((BATCH, 1, SIDE, SIDE), REAL))
    return list(trained.losses(batch, Draw(0, number, BATCH, slice(None))))


def covered(images: Tensor, value: float) -> bool:
    """Whether every image has pixels of its own value and grey ones of the cutout, and no others."""
    pixels = images.flatten(1)
    grey, own = pixels == GREY, pixels == value
    return bool((grey | own).all() and grey.any(1).all() and own.any(1).all())


@pytest.mark.parametrize("loss", ["non-saturating", "hinge", "relativistic"])
def test_real_and_generated_images_are_augmented_in_both_turns(loss: str) -> None:
    trained, discriminator = task(loss=loss, augment="cutout")
    step(trained)
    both, fake, *real = discriminator.seen
    assert covered(both[:BATCH], REAL)
    assert covered(both[BATCH:], FAKE)
    assert covered(fake, FAKE)
    # Only a pairwise loss shows real images to the discriminator in the generator's turn.
    assert len(real) == (loss == "relativistic")
    assert all(covered(images, REAL) for images in real)


def test_without_augmentation_the_discriminator_sees_the_images_themselves() -> None:
    trained, discriminator = task(loss="relativistic")
    step(trained)
    both, fake, real = discriminator.seen
    assert (both[:BATCH] == REAL).all()
    assert (both[BATCH:] == FAKE).all()
    assert (fake == FAKE).all()
    assert (real == REAL).all()


def test_the_generator_s_turn_leaves_the_discriminator_without_a_gradient() -> None:
    trained, discriminator = task(loss="non-saturating", augment="cutout")
    _, generator_step = step(trained)
    generator_step.loss.backward()
    assert discriminator.weight.grad is None
    assert trained.generator.get_parameter("value").grad != 0


@pytest.mark.parametrize("every", [1, 4])
def test_both_penalties_are_multiplied_by_their_interval_and_left_out_between(every: int) -> None:
    trained, discriminator = task(loss="non-saturating", r1_gamma=2, r2_gamma=0.5, penalty_every=every)
    pixels, weight = SIDE * SIDE, discriminator.weight.item()
    real, fake = (torch.full((BATCH,), value * weight * pixels) for value in (REAL, FAKE))
    plain = non_saturating_discriminator(real, fake).item()
    squared_gradient = weight**2 * pixels
    for number in range(2 * every):
        discriminator_step, _ = step(trained, number)
        statistics = discriminator_step.statistics or {}
        if number % every:
            assert discriminator_step.loss.item() == pytest.approx(plain, rel=1e-5)
            assert not {"r1", "r2"} & statistics.keys()
        else:
            penalty = (2 + 0.5) * squared_gradient / 2 * every
            assert discriminator_step.loss.item() == pytest.approx(plain + penalty, rel=1e-5)
            assert statistics["r1"].item() == pytest.approx(squared_gradient, rel=1e-5)
            assert statistics["r2"].item() == pytest.approx(squared_gradient, rel=1e-5)


def test_the_penalties_fall_with_the_learning_rates() -> None:
    keys = {"nimg": 16 * BATCH, "decay_nimg": 8 * BATCH, "r1_gamma": 2, "r2_gamma": 0.5, "penalty_every": 1}
    trained, discriminator = task(loss="non-saturating", gamma_end=0.1, **keys)
    pixels, weight = SIDE * SIDE, discriminator.weight.item()
    plain = non_saturating_discriminator(*(torch.tensor(value * weight * pixels) for value in (REAL, FAKE)))
    whole = (2 + 0.5) * weight**2 * pixels / 2
    penalties = [step(trained, number)[0].loss.item() - plain.item() for number in (0, 8, 12, 16)]
    assert penalties == pytest.approx([whole, whole, 0.55 * whole, 0.1 * whole], rel=1e-4)
