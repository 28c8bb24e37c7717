import torch

from litho.training.models import cgan, family
from litho.training.networks.pixel_model import PixelModel


def tiny() -> PixelModel:
    torch.manual_seed(0)
    generator = cgan.Generator(width=4, latent_size=8).eval()
    return PixelModel(generator, generator.signature()).eval()


def test_truncation_leaves_a_picture_as_it_is_or_takes_its_noise_away() -> None:
    picture = tiny()
    seeds, labels = torch.arange(6), torch.full((6,), 3)
    assert torch.equal(
        picture(seeds, labels, torch.ones(6)),
        torch.cat([picture(seed[None], labels[:1], torch.ones(1)) for seed in seeds]),
    )
    without = picture(seeds, labels, torch.zeros(6))
    assert (without == without[:1]).all()
    assert not torch.equal(without[:1], picture(seeds[:1], labels[:1], torch.ones(1)))


def test_each_picture_has_a_truncation_of_its_own() -> None:
    picture = tiny()
    seeds, labels, truncation = torch.zeros(3, dtype=torch.int64), torch.arange(3), torch.tensor([0, 0.5, 1])
    together = picture(seeds, labels, truncation)
    for row in range(3):
        rows = slice(row, row + 1)
        assert torch.equal(together[rows], picture(seeds[rows], labels[rows], truncation[rows]))


def test_training_knows_no_truncation() -> None:
    torch.manual_seed(0)
    generator = cgan.Generator(width=4, latent_size=8).eval()
    latent, labels = torch.randn(2, 8), torch.arange(2)
    assert torch.equal(generator(latent, labels), generator(latent, labels, torch.ones(2)))


def test_the_class_names_of_the_data_reach_the_signature() -> None:
    label = family("cgan").generator(classes=2, width=2).signature(("cat", "dog")).inputs[1]
    assert label.class_names == ("cat", "dog")
    assert label.maximum == 1
