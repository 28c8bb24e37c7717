"""A tokenizer learned from captions: byte pairs, so that any text in any script has tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ...extras import require

__all__ = ["BYTES", "learn_tokenizer"]

BYTES = 256
PADDING = "<padding>"


def learn_tokenizer(captions: Iterable[str], size: int) -> str:
    """Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019) of captions.

    Texts are compared in Unicode's form NFKC and in lower case. Id 0 is padding, which no text is ever given: a text
    that spells it is text like any other.

    Args:
        captions: to learn from; the same ones give the same tokenizer.
        size: ids at most, padding and the 256 bytes among them.

    Returns:
        JSON text that `tokens.tokenize` takes.

    Raises:
        MissingExtra: the library `tokenizers` is not installed.
    """
    tokenizers = require("tokenizers", "text")
    learned = tokenizers.Tokenizer(tokenizers.models.BPE())
    learned.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.NFKC(), tokenizers.normalizers.Lowercase(), tokenizers.normalizers.Strip()]
    )
    learned.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size - 1,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learned.train_from_iterator(captions, trainer)
    return _padded(learned.to_str())


def _padded(tokenizer: str) -> str:
    # What the library calls a special token would be found in texts that spell it; a token that no merge makes is not.
    document = json.loads(tokenizer)
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {PADDING: 0, **{token: number + 1 for token, number in vocabulary.items()}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
