"""Small real generators: one gives training images back, one decodes a linear model, one draws scenes."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field, source_field
from litho.training.data.dataset import Dataset
from litho.training.data.pixels import to_pixels
from litho.training.data.sources import load
from litho.training.evaluation.context import EvaluationContext, EvaluationSettings
from litho.training.evaluation.feature_net import FeatureNet, feature_net
from litho.training.models import Generator, family
from litho.training.run.snapshot import DataInfo, save_snapshot

from ...once import shared_folder

Split = tuple[Dataset, Dataset]
"""Images to train on, and to test on."""


class Copier(Generator):
    """Gives one of some images of the class that is asked for, which one the latent decides.

    Args:
        dataset: the images.
        shift: added to the class that is asked for.
        conditional: whether a label is taken; otherwise any image may be given.
    """

    latent_size = 2

    def __init__(self, dataset: Dataset, *, shift: int = 0, conditional: bool = True) -> None:
        super().__init__()
        assert dataset.labels is not None
        self.dataset, self.shift, self.conditional = dataset, shift, conditional

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        chance = torch.special.ndtr(latent[:, 0]).numpy() * (1 - 1e-9)
        labels = self.dataset.labels
        classes = len(self.dataset.class_names)
        chosen = []
        for row, share in enumerate(chance):
            wanted = None if label is None else (int(label[row]) + self.shift) % classes
            among = np.arange(len(labels)) if wanted is None else np.flatnonzero(labels == wanted)
            chosen.append(among[int(share * len(among))])
        return self.dataset.batch(np.array(chosen)).images

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        labels = (label_field(self.dataset.class_names),) if self.conditional else ()
        return Signature(inputs=(seed_field(), *labels), output=image_output(*self.dataset.picture))


class Translator(Generator):
    """Gives the picture that it is given, or the one that a picture of the data belongs to.

    Args:
        dataset: pairs.
        knows: whether the pairs have been learned by heart.
    """

    latent_size = 1

    def __init__(self, dataset: Dataset, *, knows: bool) -> None:
        super().__init__()
        self.dataset, self.knows = dataset, knows

    def forward(self, latent: Tensor, image: Tensor) -> Tensor:
        given = to_pixels(image).numpy()
        if self.knows:
            assert self.dataset.sources is not None
            flat = self.dataset.sources.reshape(len(self.dataset), -1).astype(int)
            rows = [int(np.abs(flat - each.reshape(-1)).sum(1).argmin()) for each in given.astype(int)]
            given = self.dataset.images[rows]
        return torch.from_numpy(given).permute(0, 3, 1, 2).float() / 127.5 - 1

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        assert self.dataset.sources is not None
        given = source_field(*self.dataset.sources.shape[1:])
        return Signature(inputs=(seed_field(), given), output=image_output(*self.dataset.picture))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Feature nets of tests do not go into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = shared_folder(tmp_path_factory) / "cache"
        patch.setenv("LITHO_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def digits() -> Split:
    """Handwritten digits of 8x8 pixels, to train on and to test on."""
    return load("digits", resolution=8).split()


@pytest.fixture(scope="session")
def digits_net(digits: Split, _own_cache: Path) -> FeatureNet:
    return feature_net(*digits)


def context_of(
    generator: Generator, data: Split, net: FeatureNet, samples: int = 400, **others: Any
) -> EvaluationContext:
    settings = EvaluationSettings(samples, **others)
    return EvaluationContext(generator.eval(), generator.signature(), *data, net, settings)


def snapshot(run: Path, digits: Split, *, classes: int = 10, name: str = "cgan") -> Path:
    """Write the run of an untrained generator of digits."""
    torch.manual_seed(0)
    architecture = {
        "resolution": 8,
        "width": 8,
        "latent_size": 8,
        **({"classes": classes} if name == "cgan" else {}),
    }
    data = DataInfo(name="digits", count=len(digits[0]), class_names=digits[0].class_names[:classes])
    generator = family(name).generator(**architecture).eval()
    save_snapshot(
        run, generator, family=name, preset=f"{name}-digits", data=data, nimg=640, quality={"old": 1.0}
    )
    return run


@pytest.fixture
def run(tmp_path: Path, digits: Split, digits_net: FeatureNet) -> Path:
    return snapshot(tmp_path / "run", digits)


class StandIn(nn.Module):
    """Answers as the Inception network does: its features are means of the picture's corners."""

    def forward(self, images: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        corners = torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1)
        if return_features:
            return corners
        assert no_output_bias
        return torch.softmax(8 * corners, 1)


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(StandIn()).save(str(path))
    return path
