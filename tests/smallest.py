"""The smallest recipe and generator of every family, for all tests: what the family's `SMALLEST` says."""

from inspect import signature
from typing import Any

import torch

from litho.training.data.tokenizer import learn_tokenizer
from litho.training.models import Generator, family


def smallest_recipe(name: str, **keys: object) -> dict[str, str]:
    """Recipe keys of a training of four steps, as text.

    Args:
        name: of the family.
        keys: further recipe keys, which win; None takes a key off.
    """
    steps = {"nimg": 64, "batch": 16, "precision": "fp32", "ema_half_life_nimg": 1}
    merged = {**steps, **family(name).smallest, **keys}
    return {key: str(value) for key, value in merged.items() if value is not None}


def smallest_generator(name: str, **architecture: Any) -> Generator:
    """An untrained generator in eval mode.

    Args:
        name: of the family.
        architecture: further keyword arguments of the generator, which win.
    """
    found = family(name)
    known = signature(found.generator).parameters
    smallest = {key: value for key, value in found.smallest.items() if key in known}
    return found.generator(**{**smallest, **architecture}).eval()


def random_flow(seed: int = 0, pixel_std: float = 0.2, width: int = 32, depth: int = 1) -> Generator:
    """A tiny text-to-image flow in eval mode whose weights are random: three stages and a tokenizer.

    Args:
        seed: of the weights.
        pixel_std: standard deviation of the weights of the last layer: larger ones amplify what differs in a step.
        width, depth: of the sampled network: larger ones take longer.
    """
    torch.manual_seed(seed)
    generator = family("flow").generator(
        tokenizer=learn_tokenizer(["a large red circle above a small blue square"], 300),
        token_count=8,
        resolution=8,
        width=width,
        depth=depth,
    )
    for name, weights in generator.named_parameters():
        if not weights.any():
            # What starts at zero would leave text and time without a say.
            torch.nn.init.normal_(weights, std=pixel_std if "to_pixels" in name else 0.1)
    return generator.eval()
