"""Where a fault lies in a user's own code: name of the part, file and line."""

import traceback
from typing import Any

import torch
from torch import nn

from litho.export.user_module.code_location import authored, location_in_notes, location_of
from litho.training.networks.pixel_model import PixelModel

from ...smallest import smallest_generator


class Failing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(7, -1)  # eight values are no multiple of seven


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Identity(), Failing())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x)


def fail(module: nn.Module) -> list[Any]:
    try:
        module(torch.zeros(2, 4))
    except RuntimeError as error:
        return list(traceback.walk_tb(error.__traceback__))
    raise AssertionError("it must fail")


def test_the_innermost_part_and_its_line_are_named() -> None:
    module = Net()
    location = location_of(fail(module), module)
    assert location.startswith(" in 'blocks.1' (Failing) at ")
    assert "test_code_location.py:" in location
    assert location.endswith("`return x.reshape(7, -1)  # eight values are no multiple of seven`")


def test_a_module_that_fails_itself_is_named_by_its_class() -> None:
    assert location_of(fail(Failing()), Net()).startswith(" at ")
    module = Failing()
    assert location_of(fail(module), module).startswith(" in Failing at ")


def test_the_last_line_of_the_notes_that_is_the_user_s_counts() -> None:
    notes = (
        'File "/home/user/net.py", line 3, in forward\n    return self.blocks(x)\n'
        f'File "{torch.__file__}", line 9, in inner\n    pass\n'
    )
    assert location_in_notes(Net(), "blocks.1", notes) == (
        " in 'blocks.1' (Failing) at /home/user/net.py:3 `return self.blocks(x)`"
    )
    assert location_in_notes(Net(), "absent", "") == location_in_notes(Net(), None, "") == ""


def test_the_user_s_module_is_the_generator_inside_of_the_pixel_model() -> None:
    generator = smallest_generator("cgan")
    assert authored(PixelModel(generator, generator.signature())) is generator
    assert authored(generator) is generator
