from litho.signature.tokenizer import tokenize, vocabulary_size
from litho.training.data.tokenizer import BYTES, PADDING, learn_tokenizer

CAPTIONS = ("a small red circle left of a large blue square", "a large blue square", "красный круг", "")
TOKENIZER = learn_tokenizer(CAPTIONS, 300)


def test_the_same_captions_give_the_same_tokenizer() -> None:
    assert learn_tokenizer(CAPTIONS, 300) == TOKENIZER
    assert BYTES < vocabulary_size(TOKENIZER) <= 300


def test_a_text_that_spells_padding_is_a_text() -> None:
    assert (tokenize(TOKENIZER, [PADDING], 6) > 0).all()


def test_case_and_form_make_no_difference() -> None:
    first, second, third = tokenize(
        TOKENIZER,
        [
            "A Large BLUE square ",
            "a large blue square",
            "\N{FULLWIDTH LATIN SMALL LETTER A} large blue square",
        ],
        20,
    )
    assert (first == second).all()
    assert (third == second).all()
