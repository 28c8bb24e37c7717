"""Text to image: a rectified flow with a small diffusion transformer and classifier-free guidance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ...errors import UsageError
from ...signature.tokenizer import vocabulary_size
from ..data.dataset import Batch, Dataset
from ..data.tokenizer import BYTES, learn_tokenizer
from ..networks.staged import MAX_GUIDANCE, StagedGenerator
from ..networks.transformer import Block, FinalNorm, head_count, sinusoids
from ..objectives.task import GeneratorTask, LossStep, build_network
from ..optim.combined import CombinedOptimizer
from ..optim.muon import Muon
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe

__all__ = ["SMALLEST", "Generator", "Recipe", "Task"]

LEAST_REMAINING = 0.05
"""Lower bound of 1 - time in the velocity, which divides by it."""

TIME_SCALE = 1_000.0
"""Scales times in [0, 1] to the range of sinusoidal embeddings."""


SMALLEST = {
    "data": "shapes",
    "nimg": 512,
    "width": 8,
    "depth": 1,
    "text_depth": 0,
    "vocabulary": 300,
    "token_count": 4,
}


class Recipe(BaseRecipe):
    """Keys of a flow's training.

    Args:
        width: of a token, in text encoder and denoiser.
        depth, text_depth: blocks of the denoiser and of the text encoder.
        patch: height and width in pixels of one token.
        vocabulary: largest number of ids of the tokenizer.
        token_count: tokens of each prompt; longer prompts are truncated.
        caption_dropout: share of the images trained without their caption.
        time_mean, time_deviation: of the logit-normal distribution of training times (Esser et al. 2024, eq. 19); 0 is
            noise, 1 is data.
        guidance: default of a request.
        matrix_lr: learning rate of Muon, for the matrices of the blocks.
        lr, beta1, beta2: of Adam, for all other parameters.
    """

    width: Annotated[int, Constraint(ge=2, le=4096)] = 192
    depth: Annotated[int, Constraint(ge=1, le=64)] = 6
    text_depth: Annotated[int, Constraint(ge=0, le=64)] = 1
    patch: Annotated[int, Constraint(ge=1, le=64)] = 4
    vocabulary: Annotated[int, Constraint(ge=BYTES + 1, le=65_536)] = 512
    token_count: Annotated[int, Constraint(ge=1, le=256)] = 16
    caption_dropout: Rate = 0.1
    time_mean: Annotated[float, Constraint(ge=-10, le=10)] = 0.0
    time_deviation: Positive = 1.0
    guidance: Annotated[float, Constraint(ge=0, le=MAX_GUIDANCE)] = 2.0
    matrix_lr: Positive = 0.02
    lr: Positive = 2e-3
    beta1: Rate = 0.9
    beta2: Rate = 0.99
    stats_nimg: Count = 10_000


class TextEncoder(nn.Module):
    """Token ids -> embedding of the text.

    Args:
        vocabulary: number of ids.
        token_count: ids of each text.
        width: of a token.
        depth: number of blocks.
    """

    def __init__(self, vocabulary: int, token_count: int, width: int, depth: int) -> None:
        super().__init__()
        self.meaning = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(token_count, width) * 0.5)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))

    def forward(self, tokens: Tensor) -> Tensor:
        """INT64 (batch, token_count) -> FP32 (batch, token_count, width)."""
        embedding = self.meaning(tokens) + self.position
        for block in self.blocks:
            embedding = block(embedding)
        return embedding.float()


class Denoiser(nn.Module):
    """Moves samples from noise to data: a transformer over the image's patches with attention to the text's tokens.

    It predicts the image, from which the velocity follows (Li and He 2025); this keeps flat colours flat.

    Args:
        shape: (channels, height, width) of a sample.
        patch: height and width in pixels of one token.
        width: of a token.
        depth: number of blocks.
        token_count: tokens of the text.
    """

    def __init__(
        self, shape: tuple[int, int, int], patch: int, width: int, depth: int, token_count: int
    ) -> None:
        super().__init__()
        channels, height, across = shape
        self.grid, self.patch = (channels, height // patch, across // patch), patch
        count, values = self.grid[1] * self.grid[2], channels * patch**2
        self.unconditional = nn.Parameter(torch.randn(token_count, width) * 0.5)
        self.from_pixels = nn.Linear(values, width)
        self.position = nn.Parameter(torch.randn(count, width) * 0.5)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, width, width) for _ in range(depth))
        self.norm = FinalNorm(width, width)
        self.to_pixels = nn.Linear(width, values)
        nn.init.zeros_(self.to_pixels.weight)
        nn.init.zeros_(self.to_pixels.bias)

    def forward(
        self, sample: Tensor, time: Tensor, step: Tensor, embedding: Tensor, guidance: Tensor
    ) -> Tensor:
        """One step of Euler's method along the guided velocity (Ho and Salimans 2022, eq. 6).

        Args:
            sample: FP32 (batch, channels, height, width).
            time, step: FP32 (batch,); time of the samples, and length of the step.
            embedding: FP32 (batch, token_count, width).
            guidance: FP32 (batch,): 0 ignores the text, 1 is the conditional velocity, more amplifies the text.

        Returns:
            FP32 (batch, channels, height, width): the samples at `time + step`.
        """
        nothing = self.unconditional.expand_as(embedding)
        both = self.velocity(
            torch.cat([sample, sample]), torch.cat([time, time]), torch.cat([embedding, nothing])
        )
        # Not `chunk`, which the exporter cannot trace with a free batch size.
        conditional, unconditional = both.reshape(2, *sample.shape).unbind()
        velocity = unconditional + guidance[:, None, None, None] * (conditional - unconditional)
        return sample + step[:, None, None, None] * velocity

    def velocity(self, sample: Tensor, time: Tensor, embedding: Tensor) -> Tensor:
        """Velocity that reaches the predicted image at time 1; shapes as in `forward`."""
        remaining = (1 - time).clamp(min=LEAST_REMAINING)
        return (self.guess(sample, time, embedding) - sample) / remaining[:, None, None, None]

    def guess(self, sample: Tensor, time: Tensor, embedding: Tensor) -> Tensor:
        """Predict the image at time 1; shapes as in `forward`."""
        condition = self.time(sinusoids(time * TIME_SCALE, self.position.shape[1]))
        tokens = self.from_pixels(self._patches(sample))
        tokens = tokens + self.position.to(tokens.dtype)
        for block in self.blocks:
            tokens = block(tokens, condition, embedding)
        return self._picture(self.to_pixels(self.norm(tokens, condition)).float())

    def _patches(self, sample: Tensor) -> Tensor:
        channels, rows, columns = self.grid
        patches = sample.reshape(-1, channels, rows, self.patch, columns, self.patch)
        return patches.permute(0, 2, 4, 1, 3, 5).reshape(-1, rows * columns, channels * self.patch**2)

    def _picture(self, patches: Tensor) -> Tensor:
        channels, rows, columns = self.grid
        patches = patches.reshape(-1, rows, columns, channels, self.patch, self.patch)
        return patches.permute(0, 3, 1, 4, 2, 5).reshape(
            -1, channels, rows * self.patch, columns * self.patch
        )


class Generator(StagedGenerator):
    """Text encoder and denoiser; samples are pixels in [-1, 1], so the decoder is the identity.

    Args:
        tokenizer: JSON text from `data.tokenizer.learn_tokenizer`; by default a tokenizer of bytes.
        token_count: tokens of each prompt; longer prompts are truncated.
        resolution: height and width in pixels, a multiple of `patch`.
        channels: 1 (grey) or 3 (RGB).
        patch: height and width in pixels of one token.
        width: of a token; even, and from 128 on a multiple of 64.
        depth, text_depth: blocks of the denoiser and of the text encoder.
        guidance: default of a request.
    """

    sharded_methods = ("velocity",)

    def __init__(  # noqa: PLR0913
        self,
        *,
        tokenizer: str = "",
        token_count: int = 16,
        resolution: int = 32,
        channels: int = 3,
        patch: int = 4,
        width: int = 192,
        depth: int = 6,
        text_depth: int = 1,
        guidance: float = 2.0,
    ) -> None:
        tokenizer = tokenizer or learn_tokenizer((), BYTES + 1)
        _check(resolution, channels, patch, width)
        shape = (channels, resolution, resolution)
        super().__init__(
            shape,
            tokenizer=tokenizer,
            token_count=token_count,
            resolution=resolution,
            channels=channels,
            patch=patch,
            width=width,
            depth=depth,
            text_depth=text_depth,
            guidance=guidance,
        )
        self.text_encoder = TextEncoder(vocabulary_size(tokenizer), token_count, width, text_depth)
        self.denoiser = Denoiser(shape, patch, width, depth, token_count)
        self.decode = nn.Identity()

    def velocity(self, sample: Tensor, time: Tensor, tokens: Tensor, unconditional: Tensor) -> Tensor:
        """Velocity of samples for a text, or for none; the form in which it is trained.

        Args:
            sample: FP32 (batch, channels, height, width).
            time: FP32 (batch,).
            tokens: INT64 (batch, token_count).
            unconditional: BOOL (batch,); rows that get the unconditional embedding.
        """
        assert isinstance(self.denoiser, Denoiser)
        embedding = self.text_encoder(tokens)
        embedding = torch.where(unconditional[:, None, None], self.denoiser.unconditional, embedding)
        return self.denoiser.velocity(sample, time, embedding)

    def shard_units(self) -> list[nn.Module]:
        """The blocks of both transformers."""
        assert isinstance(self.denoiser, Denoiser)
        assert isinstance(self.text_encoder, TextEncoder)
        return [*self.text_encoder.blocks, *self.denoiser.blocks]


class Task(GeneratorTask):
    """Learns the velocity from noise to data (Liu et al. 2023, eq. 1; Lipman et al. 2023, eq. 14)."""

    network = Generator

    @classmethod
    def build(cls, recipe: Recipe, dataset: Dataset) -> Task:
        """Build the flow of a recipe for a dataset of square images with captions; labels are ignored."""
        if dataset.captions is None or not any(caption.strip() for caption in dataset.captions):
            raise UsageError(
                f"data {dataset.name!r} has no captions; family 'flow' needs them: a column 'caption' or 'text', or"
                " metadata.jsonl in a folder of images"
            )
        tokenizer = learn_tokenizer(dataset.captions, recipe.vocabulary)
        return cls(recipe, build_network(Generator, recipe, dataset, tokenizer=tokenizer))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Muon for the matrices of the blocks (Jordan et al. 2024), Adam for all other parameters.

        After 100 seconds on one core the loss on `shapes` was half that of Adam alone.
        """
        named, recipe = dict(self.generator.named_parameters()), self.recipe
        # The modulation layers, which start at zero and stay small, are trained by Adam.
        in_blocks = [name for name in named if ".blocks." in name and ".modulation." not in name]
        matrices = [named[name] for name in in_blocks if named[name].ndim == 2]
        muon = {id(weights) for weights in matrices}
        rest = [weights for weights in named.values() if id(weights) not in muon]
        betas = (recipe.beta1, recipe.beta2)
        return {
            "flow": CombinedOptimizer(
                Muon(matrices, recipe.matrix_lr, weight_decay=0.0),
                torch.optim.Adam(rest, recipe.lr, betas, fused=True),
            )
        }

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The squared error of the velocity at one random time per image."""
        assert isinstance(self.generator, Generator)
        assert batch.captions is not None
        recipe, share = self.recipe, self.recipe.caption_dropout
        time = torch.sigmoid(recipe.time_mean + recipe.time_deviation * draw.normal())
        noise, dropped = draw.normal(*batch.images.shape[1:]), draw.uniform()
        along = time[:, None, None, None]
        sample = along * batch.images + (1 - along) * noise
        # Half of the dropped captions become empty prompts, half the unconditional embedding.
        tokens = self.generator.tokens(batch.captions).to(dropped.device) * (dropped >= share / 2)[:, None]
        away = (share / 2 <= dropped) & (dropped < share)
        velocity = self.generator.velocity(sample, time, tokens, away)
        remaining = (1 - along).clamp(min=LEAST_REMAINING)
        loss = (velocity - (batch.images - sample) / remaining).square().mean()
        yield LossStep("flow", loss)


def _check(resolution: int, channels: int, patch: int, width: int) -> None:
    if resolution < patch or resolution % patch:
        raise UsageError(
            f"resolution {resolution} is not allowed; expected a multiple of the patch, {patch}"
            " (--set resolution=... or --set patch=...)"
        )
    if channels not in (1, 3):
        raise UsageError(f"{channels} colour channels are not allowed; expected 1 (grey) or 3 (RGB)")
    if width % 2:
        raise UsageError(f"width {width} is not allowed; expected an even number (--set width=...)")
    head_count(width)
