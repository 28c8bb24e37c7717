"""Byte-pair tokenizers learned from captions; bytes cover text in any script."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ...extras import require

__all__ = ["BYTES", "learn_tokenizer"]

BYTES = 256
PADDING = "<padding>"


def learn_tokenizer(captions: Iterable[str], size: int) -> str:
    """Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019) of captions.

    Texts are normalised to Unicode NFKC and lower case. Id 0 is padding; text that spells the padding token gets other
    ids.

    Args:
        captions: training texts; the same texts give the same tokenizer.
        size: largest number of ids, including padding and the 256 bytes.

    Returns:
        JSON text for `signature.tokenizer.tokenize`.

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
    # A special token of the library would match texts that spell it; a token without a merge never matches.
    document = json.loads(tokenizer)
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {PADDING: 0, **{token: number + 1 for token, number in vocabulary.items()}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
