"""The base class of generators with several stages: text encoder, denoiser, decoder.

The stages are exported one by one; `runners/rectified_flow.py` runs them with the same sampler as the one here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ...signature import Signature
from ...signature.fields import Field, Role, seed_field
from ...signature.tokenizer import tokenize, vocabulary_size
from ..data.pixels import to_pixels
from .generator import Generator

__all__ = ["MAX_GUIDANCE", "MAX_STEPS", "StagedGenerator"]

MAX_STEPS, DEFAULT_STEPS = 64, 8
MAX_GUIDANCE = 10.0


class StagedGenerator(Generator):
    """A rectified flow (Liu et al. 2023): prompt, seed, steps and guidance -> image.

    Time 0 is noise and 1 is data. Step k of `steps` Euler steps starts at time k / steps. Every row of a batch has its
    own steps and guidance, and leaves the batch when it is done.

    Args:
        sample_shape: (channels, height, width) of the denoiser's samples.
        architecture: the subclass's keyword arguments, among them `tokenizer`, the JSON text of the tokenizer;
            `token_count`, tokens of each prompt, padding included (longer prompts are truncated, padding is not
            masked); and `guidance`, the default of a request.

    Attributes:
        text_encoder: tokens INT64 (batch, token_count) -> embedding FP32 (batch, token_count, width).
        denoiser: (sample, time, step, embedding, guidance) -> the sample after one Euler step; sample FP32
            (batch, *sample_shape), time, step and guidance FP32 (batch,).
        decode: sample -> FP32 (batch, channels, height, width) in [-1, 1].
    """

    text_encoder: nn.Module
    denoiser: nn.Module
    decode: nn.Module

    def __init__(self, sample_shape: tuple[int, int, int], **architecture: Any) -> None:
        super().__init__(**architecture)
        self.tokenizer, self.token_count = architecture["tokenizer"], architecture["token_count"]
        self.sample_shape, self.default_guidance = sample_shape, architecture["guidance"]
        self.latent_size = prod(sample_shape)

    def forward(self, latent: Tensor, prompts: Sequence[str], steps: Tensor, guidance: Tensor) -> Tensor:
        """The whole sampler.

        Args:
            latent: FP32 (batch, latent_size).
            prompts: one for each row.
            steps: INT64 (batch,), 1 to 64.
            guidance: FP32 (batch,), 0 to 10.

        Returns:
            FP32 (batch, channels, height, width); [-1, 1] is black to white, the output is unbounded.
        """
        embedding = self.text_encoder(self.tokens(prompts).to(latent.device))
        sample = latent.reshape(-1, *self.sample_shape).clone()
        for step in range(int(steps.max())):
            rows = (steps > step).nonzero()[:, 0]
            time, length = step / steps[rows], 1 / steps[rows]
            sample[rows] = self.denoiser(sample[rows], time, length, embedding[rows], guidance[rows])
        return self.decode(sample)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """INT64 of shape (batch, token_count), on the CPU.

        Raises:
            MissingExtra: the library `tokenizers` is not installed.
        """
        return torch.from_numpy(tokenize(self.tokenizer, prompts, self.token_count))

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed, prompt, steps and guidance in, picture out; class names are ignored."""
        inputs = (
            seed_field(),
            Field(name="prompt", role=Role.PROMPT, dtype="BYTES"),
            Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=MAX_STEPS, default=DEFAULT_STEPS),
            _scalar("guidance", Role.GUIDANCE, MAX_GUIDANCE, self.default_guidance),
        )  # fmt: skip
        return Signature(inputs=inputs, output=self.image_field)

    def stages(self) -> dict[str, tuple[nn.Module, Signature]]:
        """Stages with their signatures in running order, in this generator's training or eval mode."""
        tokens = Field(
            name="tokens",
            role=Role.TOKENS,
            dtype="INT64",
            shape=(self.token_count,),
            minimum=0,
            maximum=vocabulary_size(self.tokenizer) - 1,
        )
        width = int(self.architecture["width"])
        embedding = Field(
            name="embedding", role=Role.EMBEDDING, dtype="FP32", shape=(self.token_count, width)
        )
        sample = Field(name="sample", role=Role.SAMPLE, dtype="FP32", shape=self.sample_shape)
        step = (
            sample,
            _scalar("time", Role.TIME, 1.0),
            _scalar("step", Role.STEP, 1.0),
            embedding,
            _scalar("guidance", Role.GUIDANCE, MAX_GUIDANCE),
        )
        moved = sample.model_copy(update={"name": "moved"})
        return {
            "text_encoder": (self.text_encoder, Signature(inputs=(tokens,), output=embedding)),
            "denoiser": (self.denoiser, Signature(inputs=step, output=moved)),
            "decoder": (
                _ToPixels(self.decode).train(self.training),
                Signature(inputs=(sample,), output=self.image_field),
            ),
        }


class _ToPixels(nn.Module):
    def __init__(self, decode: nn.Module) -> None:
        super().__init__()
        self.decode = decode

    def forward(self, sample: Tensor) -> Tensor:
        return to_pixels(self.decode(sample))


def _scalar(name: str, role: Role, maximum: float, default: float | None = None) -> Field:
    return Field(name=name, role=role, dtype="FP32", minimum=0.0, maximum=maximum, default=default)
