import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litho.errors import ExportError
from litho.export.pipeline import Pipeline
from litho.export.validation.reference import Reference
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field
from litho.training.networks.generator import Generator
from litho.training.networks.pixel_model import PixelModel

LABELS = label_field(("a", "b", "c"))


class Overflow(nn.Module):
    """Infinity for label 2."""

    def forward(self, label: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return label, {"scale": torch.exp(label.float() * 50)}


class Net(Generator):
    latent_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.first, self.overflow = nn.Linear(4, 4), Overflow()

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        _, made = self.overflow(label)
        return (self.first(noise) * made["scale"][:, None]).reshape(-1, 1, 2, 2)


SIGNATURE = Signature(inputs=(seed_field(), LABELS), output=image_output(2, 2, 1))


def model() -> PixelModel:
    return PixelModel(Net(), SIGNATURE).eval()


def test_finite_pictures_are_those_of_the_module() -> None:
    picture = model()
    seeds, labels = np.arange(4), np.array([0, 1, 0, 1])
    made = Reference(picture).run({"seed": seeds, "label": labels})["image"]
    assert (made == picture(torch.from_numpy(seeds), torch.from_numpy(labels)).numpy()).all()


def test_the_input_and_the_first_layer_are_named_in_one_line() -> None:
    with pytest.raises(ExportError) as raised:
        Reference(model()).run({"seed": [5, 6, 7, 8], "label": [0, 2, 1, 2]})
    message = str(raised.value)
    assert message.startswith(
        "PyTorch's picture of seed 6, label 2 is not finite: 2 of 4 pictures hold NaN or infinity"
    )
    assert "the first layer whose output is not is 'generator.overflow', Overflow;" in message
    assert "\n" not in message


def test_nothing_is_left_on_the_module() -> None:
    picture = model()
    with pytest.raises(ExportError):
        Reference(picture).run({"seed": [5], "label": [2]})
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in picture.modules())


def test_an_input_that_is_fixed_is_looked_through() -> None:
    fixed = Pipeline.of(model()).fix({"label": 2})
    with pytest.raises(ExportError, match=r"seed 3 is not finite: 1 of 1 .*'generator.overflow'"):
        Reference(fixed.model).run({"seed": [3]})
