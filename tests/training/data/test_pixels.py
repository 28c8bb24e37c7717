import torch

from litho.training.data.pixels import from_levels, from_pixels, to_pixels


def test_every_grey_level_survives_the_way_to_floats_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    pixels = levels.reshape(2, 8, 16, 1)
    floats = from_pixels(pixels)
    assert floats.shape == (2, 1, 8, 16)
    assert floats.dtype == torch.float32
    assert (float(floats.min()), float(floats.max())) == (-1, 1)
    assert torch.equal(floats.flatten(), from_levels(levels))
    assert torch.equal(to_pixels(floats), pixels)


def test_channels_come_first_in_floats_and_last_in_pixels() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 3), dtype=torch.uint8)
    assert torch.equal(from_pixels(pixels)[1, :, 2, 3], from_levels(pixels[1, 2, 3]))


def test_values_beyond_the_range_become_black_and_white() -> None:
    beyond = torch.tensor([-1.1, -1e9, 1.1, 1e9]).reshape(1, 1, 2, 2)
    assert to_pixels(beyond).flatten().tolist() == [0, 0, 255, 255]
