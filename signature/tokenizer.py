"""Texts to numbers, the same in training and wherever a generator runs; knows neither torch nor any generator.

A tokenizer is JSON text that the library `tokenizers` reads. Its id 0 is padding and stands for no text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LithoError, MissingExtra, UsageError
from ..extras import require

__all__ = ["token_spans", "tokenize", "vocabulary_size"]


def tokenize(tokenizer: str, texts: Iterable[str], count: int) -> NDArray[np.int64]:
    """Token ids of some texts.

    Args:
        tokenizer: JSON text.
        texts: in any script; an empty one is all padding.
        count: ids of each text: what is longer loses its end, what is shorter is filled up with 0.

    Returns:
        INT64 of shape (texts, count).

    Raises:
        MissingExtra: the library is not installed.
        UsageError: the tokenizer is none.
        LithoError: the tokenizer fails on a text.
    """
    loaded, texts = _loaded(tokenizer), list(texts)
    tokens = np.zeros((len(texts), count), np.int64)
    for row, text in enumerate(texts):
        try:
            ids = loaded.encode(text).ids[:count]
        except Exception as error:  # the library raises plain exceptions
            raise LithoError(f"the tokenizer failed on {text!r}: {str(error).splitlines()[0]}") from error
        tokens[row, : len(ids)] = ids
    return tokens


def token_spans(tokenizer: str, text: str, count: int) -> list[tuple[int, int]]:
    """Which characters of a text its tokens stand for.

    Args:
        tokenizer: JSON text.
        text: in any script.
        count: most tokens that are read.

    Returns:
        First character of each token and the one after its last, at most `count` pairs; padding has none.

    Raises:
        MissingExtra: the library is not installed.
        UsageError: the tokenizer is none.
        LithoError: the tokenizer fails on the text.
    """
    try:
        return _loaded(tokenizer).encode(text).offsets[:count]
    except (UsageError, MissingExtra):
        raise
    except Exception as error:  # the library raises plain exceptions
        raise LithoError(f"the tokenizer failed on {text!r}: {str(error).splitlines()[0]}") from error


def vocabulary_size(tokenizer: str) -> int:
    """How many ids a tokenizer has: the largest is one less.

    Raises:
        MissingExtra: the library is not installed.
        UsageError: the tokenizer is none.
    """
    return _loaded(tokenizer).get_vocab_size()


@lru_cache(maxsize=8)
def _loaded(tokenizer: str) -> Any:
    tokenizers = require("tokenizers", "text")
    try:
        return tokenizers.Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library raises plain exceptions
        reason = str(error).splitlines()[0]
        raise UsageError(f"not a tokenizer of the library 'tokenizers' ({reason})") from None
