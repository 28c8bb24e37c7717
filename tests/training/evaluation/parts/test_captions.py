from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field
from litho.training.data.dataset import Dataset
from litho.training.data.scenes import Scene, arrange, draw
from litho.training.data.sources import load, shapes
from litho.training.evaluation.classifier import Classifier
from litho.training.evaluation.document import FeatureNetInfo
from litho.training.evaluation.feature_net import FeatureNet
from litho.training.evaluation.parts.captions import Part, attributes_shown, rank_shares
from litho.training.models import Generator

from ..conftest import context_of
from .conftest import figures_of


def untrained_net(data: Dataset) -> FeatureNet:
    """A feature net that every context has; no figure of captions looks at its features."""
    info = FeatureNetInfo(
        name="drawings",
        data="drawings",
        data_sha256="0" * 64,
        task="classes",
        picture=data.picture,
        classes=2,
        recipe={},
        accuracy=0,
        test_count=1,
        weights_sha256="0" * 64,
        torch="",
    )
    return FeatureNet(Classifier(3, 2).eval(), info, "cpu")


class Painter(Generator):
    """Draws the scenes of its captions, rightly or always with a red thing first."""

    latent_size = 4

    def __init__(self, *, only_red: bool = False) -> None:
        super().__init__()
        self.only_red = only_red

    def forward(self, latent: Tensor, caption: list[str]) -> Tensor:
        drawn = []
        for chances, text in zip(torch.special.ndtr(latent).tolist(), caption, strict=True):
            scene = Scene.parse(text).canonical
            if self.only_red:
                scene = replace(scene, first=replace(scene.first, colour="red"))
            drawn.append(draw(scene, arrange(scene, [min(chance, 0.999) for chance in chances])))
        return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        caption = Field(name="caption", role=Role.PROMPT, dtype="BYTES")
        return Signature(inputs=(seed_field(), caption), output=image_output(32, 32, 3))


@pytest.mark.slow
def test_attributes_of_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first scenes of the set: to draw all 44,000 takes seconds.
    monkeypatch.setattr(shapes, "TRAIN_COUNT", 150)
    monkeypatch.setattr(shapes, "TEST_COUNT", 100)
    data = load("shapes").split()
    net = untrained_net(data[0])
    right = figures_of(context_of(Painter(), data, net, samples=100))
    red = figures_of(context_of(Painter(only_red=True), data, net, samples=100))
    name = "attribute accuracy, test captions"
    assert right[name].value > 0.99
    assert right[name].reference > 0.99
    assert right[name].baseline < 0.6
    # One of seven attributes is wrong unless it happens to be red.
    assert red[name].value == pytest.approx(1 - 5 / 6 / 7, abs=0.04)
    assert red["whole scenes right, test captions"].value < 0.4


def test_attributes_are_read_whichever_thing_the_caption_names_first() -> None:
    scene = Scene.parse("a small red circle left of a large blue square")
    picture = draw(scene, arrange(scene, [0.5] * 4))
    assert attributes_shown(picture, "a large blue square right of a small red circle").all()
    shown = attributes_shown(picture, "a small red circle above a large green square")
    assert shown.sum() == 5
    assert not attributes_shown(np.full((32, 32, 3), 255, np.uint8), scene.caption).any()


def test_ranks_of_the_right_drawing() -> None:
    among = torch.arange(100.0, dtype=torch.float64)[:, None]
    made = torch.tensor([[0.1], [50.2], [99.0]], dtype=torch.float64)
    assert rank_shares(made, among, np.array([0, 50, 89])).tolist() == pytest.approx([0, 0, 0.10])


class Copier(Generator):
    """Gives the drawing of a caption that it knows, and black for any other."""

    latent_size = 1

    def __init__(self, known: Dataset) -> None:
        super().__init__()
        assert known.captions is not None
        self.known = dict(zip(known.captions, known.images, strict=True))

    def forward(self, latent: Tensor, caption: list[str]) -> Tensor:
        black = np.zeros((32, 32, 3), np.uint8)
        images = np.stack([self.known.get(text, black) for text in caption])
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        caption = Field(name="caption", role=Role.PROMPT, dtype="BYTES")
        return Signature(inputs=(seed_field(), caption), output=image_output(32, 32, 3))


def test_drawings_are_ranked_apart_for_captions_that_were_trained_on_and_for_new_ones() -> None:
    random = np.random.default_rng(0)

    def drawings(count: int, name: str) -> Dataset:
        images = random.integers(0, 256, (count, 32, 32, 3), np.uint8)
        return Dataset("drawings", "none", images, captions=tuple(f"{name} {n}" for n in range(count)))

    train, test = drawings(60, "old"), drawings(40, "new")
    net = untrained_net(train)

    def shares(known: Dataset) -> dict[str, float]:
        context = context_of(Copier(known), (train, test), net, samples=100)
        return {figure.metric: figure.value for figure in Part().measure(context).figures}

    name = "right drawing among the nearest 5%, {} captions"
    assert shares(train)[name.format("training")] == 1
    assert shares(train)[name.format("test")] < 0.3
    assert shares(test)[name.format("test")] == 1
    assert shares(test)[name.format("training")] < 0.3
