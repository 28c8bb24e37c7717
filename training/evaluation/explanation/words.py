"""Which words of a prompt a picture hangs on.

A word is taken away by padding in place of its tokens: the other words keep their positions. Without the word the text
would be shorter, and what changes then is mostly what the positions change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....bundle.explanation import Attribution, Cause, Example
from ....errors import EvaluationError
from ....signature.fields import Role
from ....signature.tokenizer import token_spans
from ...data.pixels import to_pixels
from ...networks.pixel_model import PixelModel, model_inputs
from ...networks.staged import StagedGenerator
from ..context import EvaluationContext, spread
from .gradients import called_embeddings, integrate, replaced
from .occlusion import difference, occlude
from .picture_files import PictureFiles

__all__ = ["EXAMPLES", "explain_words", "word_of_token", "words_of"]

EXAMPLES = 4
MOST_WORDS = 32
"""Words of a prompt that are explained; any further ones stay in the prompt."""

PATH_POINTS_AT_ONCE = 8
"""Points of the path at once; each runs the denoiser for every step of the sampler."""

Span = tuple[int, int]


def words_of(prompt: str) -> list[Span]:
    """First character of each word and the one after its last, at most `MOST_WORDS`; spaces part words."""
    return [match.span() for match in re.finditer(r"\S+", prompt)][:MOST_WORDS]


def word_of_token(token: Span, words: list[Span]) -> int | None:
    """Index of the word that most of a token's characters lie in; a token of spaces belongs to the next word.

    None after the last word, or if there are no words.
    """
    start, end = token
    overlaps = [min(end, last) - max(start, first) for first, last in words]
    if overlaps and max(overlaps) > 0:
        return overlaps.index(max(overlaps))
    return next((index for index, (first, _) in enumerate(words) if first >= start), None)


def explain_words(context: EvaluationContext, files: PictureFiles) -> list[Example]:
    """Explain pictures of test captions, spread over the data; seed 0 and on.

    Raises:
        EvaluationError: prompt and no prompt make the same picture, the data has no captions, or the generator has
            no text encoder.
        MissingExtra: captum is not installed.
    """
    captions = context.test.captions
    if captions is None:
        raise EvaluationError(f"data {context.test.name!r} has no captions")
    chosen = [captions[index] for index in spread(min(EXAMPLES, len(captions)), len(captions))]
    return [
        _explain(_Pictures.of(context, seed, prompt), files, f"words-{seed}", context.fields)
        for seed, prompt in enumerate(chosen)
        if words_of(prompt)
    ]


@dataclass(frozen=True)
class _Pictures:
    """Makes the pictures of one prompt and seed from embeddings of its tokens.

    Args:
        generator: of the pictures.
        inputs: the generator's, for one picture, before the prompt's position and after it.
        given: what a request says, field name -> value.
        prompt: the text.
        embeddings: of the tokens, and of padding in place of each: name of the module -> FP32 (1, tokens, width).
    """

    generator: StagedGenerator
    inputs: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    given: dict[str, Any]
    prompt: str
    embeddings: tuple[dict[str, Tensor], dict[str, Tensor]]

    @classmethod
    def of(cls, context: EvaluationContext, seed: int, prompt: str) -> _Pictures:
        generator, signature = context.generator, context.signature
        if not isinstance(generator, StagedGenerator):
            raise EvaluationError("words are explained through a text encoder, and the generator has none")
        field, seed_field = signature.field(Role.PROMPT), signature.field(Role.SEED)
        assert field is not None
        given: dict[str, Any] = {} if seed_field is None else {seed_field.name: seed}
        given |= {field.name: prompt}
        arrays = signature.check(
            {
                name: np.array([value], object if isinstance(value, str) else None)
                for name, value in {**context.fields, **given}.items()
            }
        )
        model = PixelModel(generator, signature).eval()
        inputs = model.network_inputs(*model_inputs(arrays.values(), context.device))
        position = [one.name for one in signature.inputs].index(field.name)
        encoder = generator.text_encoder

        def embedded(text: str) -> dict[str, Tensor]:
            tokens = generator.tokens([text]).to(context.device)
            return called_embeddings(encoder, lambda: encoder(tokens))

        return cls(
            generator,
            (inputs[:position], inputs[position + 1 :]),
            given,
            prompt,
            (embedded(prompt), embedded("")),
        )

    def words(self) -> list[int | None]:
        """The word of each token, an index into `words_of`."""
        spans = token_spans(self.generator.tokenizer, self.prompt, self.generator.token_count)
        return [word_of_token(span, words_of(self.prompt)) for span in spans]

    def sampled(self, embeddings: dict[str, Tensor], count: int) -> Tensor:
        """Images by the whole sampler, FP32 (count, channels, height, width)."""
        before, after = (
            tuple(value.repeat(count, *[1] * (value.ndim - 1)) for value in values) for values in self.inputs
        )
        with torch.no_grad(), replaced(self.generator.text_encoder, embeddings):
            return self.generator(*before, [self.prompt] * count, *after)

    def steps(self) -> list[tuple[Tensor, ...]]:
        """What the denoiser takes at each step: sample, time, step, embedding, guidance."""
        calls: list[tuple[Tensor, ...]] = []
        hook = self.generator.denoiser.register_forward_pre_hook(lambda _module, inputs: calls.append(inputs))
        try:
            self.sampled(self.embeddings[0], 1)
        finally:
            hook.remove()
        return calls


def _explain(pictures: _Pictures, files: PictureFiles, name: str, fields: dict[str, float]) -> Example:
    made = to_pixels(pictures.sampled(pictures.embeddings[0], 1))[0].cpu().numpy()
    return Example(
        name=name,
        kind="words",
        inputs={**fields, **pictures.given},
        made=files.add(name, made),
        attributions=(_occlusion(pictures, files, name, made), _gradients(pictures)),
    )


def _occlusion(pictures: _Pictures, files: PictureFiles, name: str, made: NDArray[np.uint8]) -> Attribution:
    words, owners = words_of(pictures.prompt), pictures.words()

    def changes_of(present: NDArray[np.bool_]) -> NDArray[np.float64]:
        remaining = np.ones((len(present), pictures.generator.token_count), bool)
        for token, word in enumerate(owners):
            if word is not None:
                remaining[:, token] = present[:, word]
        mask = torch.from_numpy(remaining)[:, :, None]
        full, padding = pictures.embeddings
        mixed = {key: torch.where(mask.to(value.device), value, padding[key]) for key, value in full.items()}
        return difference(to_pixels(pictures.sampled(mixed, len(present))).cpu().numpy(), made)

    changes = occlude(len(words), changes_of)
    return Attribution(
        method="occlusion",
        without="padding in place of the word",
        full_scale=changes.full_scale,
        causes=tuple(
            Cause(
                name=pictures.prompt[slice(*span)],
                span=span,
                share=float(changes.shares[index]),
                change=float(changes.means[index]),
                map=files.add_map(f"{name}-occlusion-{index}", changes.maps[index], changes.full_scale),
            )
            for index, span in enumerate(words)
        ),
    )


def _gradients(pictures: _Pictures) -> Attribution:
    """Integrated gradients of the tokens' embeddings, summed over the tokens of each word.

    The samples of the sampler are held fixed: what is explained is the sum of all steps along the way that the picture
    took. Through the sampler's own feedback the picture jumps between embeddings, and no integral converges.
    """
    generator, steps = pictures.generator, pictures.steps()
    full, padding = pictures.embeddings
    tokens = generator.tokens([pictures.prompt]).to(steps[0][0].device)
    first = steps[0][0]

    def images(*values: Tensor) -> Tensor:
        count = len(values[0])
        with replaced(generator.text_encoder, dict(zip(full, values, strict=True))):
            embedding = generator.text_encoder(tokens.repeat(count, 1))
        sample = first.repeat(count, 1, 1, 1)
        for before, time, step, _, guidance in steps:
            given = before.repeat(count, 1, 1, 1)
            scalars = (one.repeat(count) for one in (time, step))
            sample = sample + generator.denoiser(given, *scalars, embedding, guidance.repeat(count)) - given
        return generator.decode(sample)

    way = integrate(images, list(full.values()), list(padding.values()), at_once=PATH_POINTS_AT_ONCE)
    of_tokens = sum(one.sum(-1) for one in way.shares)
    assert isinstance(of_tokens, torch.Tensor)
    words = words_of(pictures.prompt)
    shares = np.zeros(len(words))
    for token, word in enumerate(pictures.words()):
        if word is not None:
            shares[word] += float(of_tokens[token])
    return Attribution(
        method="integrated-gradients",
        without="padding in place of every token, at the same samples",
        causes=tuple(
            Cause(name=pictures.prompt[slice(*span)], span=span, share=float(share))
            for span, share in zip(words, shares, strict=True)
        ),
        remainder=1 - float(shares.sum()),
    )
