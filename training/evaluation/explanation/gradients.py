"""Integrated gradients (Sundararajan et al. 2017) of pictures, also through the embeddings of words and labels.

A picture has many values. What is explained is how far it has come from the picture of the baseline (0) to the one
that was made (1): the projection of its difference from the first on the difference of both. So all attributions make
1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ....errors import EvaluationError
from ....extras import require

__all__ = ["Way", "called_embeddings", "integrate", "replaced"]

STEPS = 32
LEAST_DIFFERENCE = 1e-4
"""Root mean square of the difference, in units of [-1, 1], below which two pictures count as equal: a 78th of a grey
level."""


@dataclass(frozen=True)
class Way:
    """The shares of all inputs in the way from the baseline's picture to the one that was made.

    Args:
        shares: one tensor of each input's shape, without the batch axis; FP64 on the CPU.
        remainder: 1 minus the sum of all shares.
    """

    shares: tuple[Tensor, ...]
    remainder: float


def integrate(
    images: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    target: tuple[int, int, int, int] | None = None,
    *,
    at_once: int = STEPS,
) -> Way:
    """Integrate the gradient along the straight line from baselines to inputs, by captum's `IntegratedGradients`.

    Args:
        images: inputs with a batch axis -> FP32 of shape (batch, channels, height, width).
        inputs: FP32 of shape (1, ...).
        baselines: of the same shapes.
        target: top, left, bottom and right of the region that is explained; None for the whole picture.
        at_once: points of the line that are run together.

    Raises:
        MissingExtra: captum is not installed.
        EvaluationError: inputs and baselines make the same picture.
    """
    attr = require("captum.attr", "explain")
    top, left, bottom, right = target or (0, 0, None, None)

    def region(*values: Tensor) -> Tensor:
        return images(*values)[:, :, top:bottom, left:right].flatten(1)

    with torch.no_grad():
        start, end = region(*baselines), region(*inputs)
    line = end - start
    if not float(line.square().mean().sqrt()) > LEAST_DIFFERENCE:
        raise EvaluationError("the picture equals that of the baseline, so nothing can be attributed")
    line = line / line.square().sum()

    def progress(*values: Tensor) -> Tensor:
        return ((region(*values) - start) * line).sum(1)

    found = attr.IntegratedGradients(progress).attribute(
        tuple(inputs), tuple(baselines), n_steps=STEPS, internal_batch_size=at_once
    )
    shares = tuple(one.detach()[0].double().cpu() for one in found)
    return Way(shares, 1 - float(sum(one.sum() for one in shares)))


def called_embeddings(network: nn.Module, run: Callable[[], Any]) -> dict[str, Tensor]:
    """Outputs of the `nn.Embedding` modules that a run of the network calls, name of the module -> output."""
    found: dict[str, Tensor] = {}
    modules = {name: module for name, module in network.named_modules() if isinstance(module, nn.Embedding)}
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: found.update({name: output}))
        for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: output.detach() for name, output in found.items()}


@contextmanager
def replaced(network: nn.Module, outputs: Mapping[str, Tensor]) -> Iterator[None]:
    """Let modules of a network give these outputs while the block runs, name of the module -> output."""
    modules = dict(network.named_modules())
    hooks = [
        modules[name].register_forward_hook(lambda _module, _inputs, _output, value=value: value)
        for name, value in outputs.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
