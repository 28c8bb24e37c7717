"""The stages of a text-to-image flow in turn: text encoder once, denoiser in every Euler step, decoder once.

Every row of a batch has its own number of steps and its own guidance. A finished row leaves the batch, and its picture
does not depend on the other rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bundle import Bundle
from ..bundle.manifest import TOKENIZER_NAME
from ..signature import Signature
from ..signature.fields import Role
from ..signature.noise import gaussian
from ..signature.tokenizer import tokenize, vocabulary_size
from . import base

__all__ = ["Runner"]


class Runner(base.Runner):
    """Moves the seed's noise to a picture of the prompt, along the velocity that the denoiser predicts.

    Euler's method for a rectified flow (Liu et al. 2022, algorithm 1): time 0 is noise, time 1 is data, and step k of
    `steps` starts at time k / steps.

    Args:
        signature: inputs are seed or latent, prompt, steps and guidance; the output is a picture.
        stages: the open runners "text_encoder", "denoiser" and "decoder"; closing this runner closes them.
        tokenizer: JSON text for `signature.tokenizer.tokenize`.

    Raises:
        MissingExtra: the library that reads tokenizers is not installed.
        UsageError: the text is not a tokenizer.
    """

    name = "rectified-flow"
    title = "rectified flow"

    def __init__(self, signature: Signature, stages: Mapping[str, base.Runner], tokenizer: str) -> None:
        self._stages = dict(stages)
        vocabulary_size(tokenizer)  # refuses an invalid tokenizer now, not with the first picture
        self._tokenizer = tokenizer
        (self._token_count,) = self._stages["text_encoder"].signature.inputs[0].shape
        self._sample_shape = self._stages["denoiser"].signature.output.shape
        descriptions = dict.fromkeys(stage.description for stage in stages.values())
        super().__init__(signature, f"rectified flow in {', '.join(descriptions)}")
        self._fields = {field.role: field.name for field in signature.inputs}

    @classmethod
    def from_stages(cls, bundle: Bundle, stages: Mapping[str, base.Runner]) -> Self:
        """Run the open stages of a bundle with its tokenizer."""
        tokenizer = bundle.read(TOKENIZER_NAME).decode(errors="replace")
        return cls(bundle.manifest.signature, stages, tokenizer)

    def close(self) -> None:
        """Close the stages; closing twice is fine."""
        for stage in self._stages.values():
            stage.close()

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        given = {role: inputs[name] for role, name in self._fields.items()}
        steps, guidance = given[Role.STEPS], given[Role.GUIDANCE]
        tokens = tokenize(self._tokenizer, given[Role.PROMPT], self._token_count)
        embedding = self._run("text_encoder", tokens)
        sample = self._noise(given).reshape(-1, *self._sample_shape)
        for step in range(int(steps.max())):
            rows = np.flatnonzero(steps > step)
            time, length = (values.astype(np.float32) for values in (step / steps[rows], 1 / steps[rows]))
            sample[rows] = self._run("denoiser", sample[rows], time, length, embedding[rows], guidance[rows])
        return self._run("decoder", sample)

    def _noise(self, given: Mapping[Role, NDArray[Any]]) -> NDArray[np.float32]:
        if Role.LATENT in given:
            return given[Role.LATENT].copy()  # the sampler overwrites it
        return gaussian(given[Role.SEED], math.prod(self._sample_shape))

    def _run(self, name: str, *arrays: ArrayLike) -> NDArray[Any]:
        stage = self._stages[name]
        names = [field.name for field in stage.signature.inputs]
        return stage.run(dict(zip(names, arrays, strict=True)), check=False)[stage.signature.output.name]
