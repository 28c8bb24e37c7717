"""The Inception network of 2015 that defines FID and IS, from a file of the user; litho ships none.

The file is `inception-2015-12-05.pt` as StyleGAN2-ADA, StyleGAN3 and clean-fid use it: a TorchScript program with the
original weights, which takes UINT8 pictures and resizes them. It is executed: use a file from a trusted source.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import EvaluationError
from ...files import sha256
from ...signature.image_files import fitted

__all__ = ["Inception", "inception_score"]

PICTURES_AT_ONCE = 50
SPLITS = 10


class Inception:
    """The loaded network.

    Args:
        path: of the TorchScript file.
        device: "cpu" or "cuda".

    Attributes:
        sha256: of the file.

    Raises:
        EvaluationError: the file is missing or not a TorchScript program.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        if not path.is_file():
            raise EvaluationError(f"no Inception network at {path}; give inception-2015-12-05.pt")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, which the file is
                self._network: Any = torch.jit.load(str(path), map_location=device).eval()
        except RuntimeError as error:
            raise EvaluationError(
                f"{path} is not a TorchScript program ({str(error).splitlines()[0][:99]});"
                " give inception-2015-12-05.pt"
            ) from None
        self._path, self._device, self.sha256 = path, device, sha256(path)

    def features(self, images: NDArray[np.uint8]) -> Tensor:
        """Features for FID: FP64 of shape (count, 2048).

        Args:
            images: UINT8 of shape (count, height, width, 1 to 4); grey becomes RGB, and alpha is composited on white.
        """
        return self._run(images, return_features=True)

    def probabilities(self, images: NDArray[np.uint8]) -> Tensor:
        """Class probabilities for IS: FP64 (count, classes), without the bias of the last layer, as published."""
        return self._run(images, no_output_bias=True)

    def _run(self, images: NDArray[np.uint8], **options: bool) -> Tensor:
        try:
            with torch.inference_mode():
                parts = [self._network(part, **options).double().cpu() for part in self._parts(images)]
        except RuntimeError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise EvaluationError(
                f"{self._path} is not the Inception network; running it failed: {lines[-1][:200]}"
            ) from None
        return torch.cat(parts)

    def _parts(self, images: NDArray[np.uint8]) -> Iterator[Tensor]:
        for start in range(0, len(images), PICTURES_AT_ONCE):
            part = torch.from_numpy(fitted(images[start : start + PICTURES_AT_ONCE], channels=3))
            yield part.to(self._device).permute(0, 3, 1, 2).contiguous()


def inception_score(probabilities: Tensor) -> float:
    """exp E[KL(p(y|x) || p(y))], the mean over ten parts of the pictures (Salimans et al. 2016, section 4).

    Args:
        probabilities: FP64 of shape (count, classes), rows that sum to 1.
    """
    scores = []
    for part in probabilities.chunk(SPLITS):
        marginal = part.mean(0, keepdim=True)
        scores.append(torch.special.xlogy(part, part / marginal).sum(1).mean().exp())
    return float(torch.stack(scores).mean())
