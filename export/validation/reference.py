"""PyTorch in FP32, by whose pictures everything else is judged: they must be finite before they are rounded.

Rounding to pixels turns NaN into black and infinity into white, which every form of the generator then repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import in_words
from ...errors import ExportError
from ...runners.torch import Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Reference"]


class Reference(Runner):
    """Runs a generator, and refuses pictures with NaN or infinity in them.

    Args:
        model: a `PixelModel`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._model = model
        self.made: Callable[[int], None] = lambda pictures: None
        """Called after each run with its number of pictures."""

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        spoilt: list[int] = []

        def look(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            finite = arguments[0].isfinite().flatten(1).all(1)
            spoilt.extend((~finite).nonzero()[:, 0].tolist())

        hook = self._model.pixels.register_forward_pre_hook(look)
        try:
            pictures = super()._execute(inputs)
        finally:
            hook.remove()
        if spoilt:
            words = in_words(inputs, spoilt[0]) or f"input {spoilt[0]}"
            raise ExportError(
                f"PyTorch's picture of {words} is not finite: {len(spoilt)} of {len(pictures)} pictures hold NaN or"
                f" infinity before they are rounded; {self._first_layer(inputs)}; pictures must be finite for every"
                " input that the signature allows: mend that layer or its weights"
            )
        self.made(len(pictures))
        return pictures

    def _first_layer(self, inputs: dict[str, NDArray[Any]]) -> str:
        """The first layer whose output is not finite, in words; the pictures are made once more."""
        found: list[str] = []

        def note(name: str, module: nn.Module, output: Any) -> None:
            if not found and not all(tensor.isfinite().all() for tensor in _tensors(output)):
                found.append(f"{name!r}, {type(module).__name__}")

        hooks = [
            module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
            for name, module in self._model.named_modules()
            if name
        ]
        try:
            super()._execute(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if not found:
            return "made once more, they are"
        return f"the first layer whose output is not is {found[0]}"


def _tensors(output: Any) -> Iterator[Tensor]:
    """The tensors of a module's output, which may be nested."""
    if hasattr(output, "isfinite"):
        yield output
    elif isinstance(output, Mapping):
        yield from chain.from_iterable(map(_tensors, output.values()))
    elif isinstance(output, list | tuple):
        yield from chain.from_iterable(map(_tensors, output))
