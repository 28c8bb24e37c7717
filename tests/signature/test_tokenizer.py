import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.signature.tokenizer import tokenize, vocabulary_size
from litho.training.data.tokenizer import learn_tokenizer

CAPTIONS = ("a small red circle left of a large blue square", "a large blue square", "красный круг", "")
TOKENIZER = learn_tokenizer(CAPTIONS, 300)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_has_tokens_and_none_of_them_is_padding(text: str) -> None:
    (tokens,) = tokenize(TOKENIZER, [text], 600)
    assert tokens.dtype == np.int64
    assert tokens.max() < vocabulary_size(TOKENIZER)
    filled = int((tokens > 0).sum())
    assert (tokens[:filled] > 0).all()
    assert (tokens[filled:] == 0).all()


def test_an_empty_text_is_all_padding() -> None:
    assert not tokenize(TOKENIZER, ["", " \n\t"], 5).any()


def test_a_long_text_loses_its_end() -> None:
    short, long = tokenize(TOKENIZER, ["a small red circle", "a small red circle " * 200], 4)
    assert (short == long).all()


def test_texts_in_other_scripts_differ() -> None:
    rows = tokenize(TOKENIZER, ["красный круг", "синий круг", "红色的圆", "دائرة", "🔴", "🟦"], 24)
    assert len(np.unique(rows, axis=0)) == 6


@pytest.mark.parametrize("wrong", ["", "{}", "no JSON", '{"model": {"type": "BPE"}}'])
def test_what_is_no_tokenizer_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="not a tokenizer"):
        tokenize(wrong, ["a"], 4)
