"""The stages of a text-to-image flow, run in turn: the prompt's embedding once, Euler steps, the picture once.

Every row has its own number of steps and its own guidance: a row that is done leaves the batch, and its picture does
not depend on the rows that it rode with.
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
    """Draws noise from the seed and moves it to a picture of the prompt, along a velocity that the denoiser follows.

    The sampler is Euler's method for a rectified flow (Liu et al. 2022, algorithm 1): time 0 is noise, time 1 data,
    and of `steps` steps the k-th starts at time k / steps.

    Args:
        signature: of the whole: seed or latent, prompt, steps and guidance in, a picture out.
        stages: the open runners "text_encoder", "denoiser" and "decoder"; they are closed with this one.
        tokenizer: JSON text that `tokens.tokenize` takes.

    Raises:
        MissingExtra: the library that reads tokenizers is not installed.
        UsageError: the tokenizer is none.
    """

    name = "rectified-flow"
    title = "rectified flow"

    def __init__(self, signature: Signature, stages: Mapping[str, base.Runner], tokenizer: str) -> None:
        self._stages = dict(stages)
        vocabulary_size(tokenizer)  # a tokenizer that is none is refused now, not at the first picture
        self._tokenizer = tokenizer
        (self._token_count,) = self._stages["text_encoder"].signature.inputs[0].shape
        self._sample_shape = self._stages["denoiser"].signature.output.shape
        descriptions = dict.fromkeys(stage.description for stage in stages.values())
        super().__init__(signature, f"rectified flow in {', '.join(descriptions)}")
        self._fields = {field.role: field.name for field in signature.inputs}

    @classmethod
    def from_stages(cls, bundle: Bundle, stages: Mapping[str, base.Runner]) -> Self:
        """Run the open stages of a bundle."""
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
            return given[Role.LATENT].copy()  # the sampler writes over it
        return gaussian(given[Role.SEED], math.prod(self._sample_shape))

    def _run(self, name: str, *arrays: ArrayLike) -> NDArray[Any]:
        stage = self._stages[name]
        names = [field.name for field in stage.signature.inputs]
        return stage.run(dict(zip(names, arrays, strict=True)), check=False)[stage.signature.output.name]
