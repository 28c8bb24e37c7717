"""The tree of errors, their messages, and what lies behind an error."""

import inspect
import re
from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from litho import errors
from litho.errors import (
    ExportError,
    LithoError,
    MissingExtra,
    UnknownName,
    UsageError,
    chain,
    expected,
    out_of_memory,
)
from litho.extras import require

CLASSES = [name for name in errors.__all__ if inspect.isclass(getattr(errors, name))]


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    defined = {
        name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__
    }
    assert set(CLASSES) <= defined
    assert set(errors.__all__) == {name for name in defined if not name.startswith("_")}
    drawn = set(re.findall(r"[A-Z][A-Za-z]+(?=  |\n)", errors.__doc__ or ""))
    assert set(CLASSES) <= drawn


def test_the_tree_is_drawn_as_the_classes_inherit() -> None:
    parents: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z][A-Za-z]+)", line):
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            if depth:
                assert getattr(errors, parents[depth - 1]) in getattr(errors, match[2]).__bases__


@pytest.mark.parametrize("name", CLASSES)
def test_exit_codes_tell_failed_from_badly_asked(name: str) -> None:
    kind = getattr(errors, name)
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)
    assert issubclass(kind, LithoError)


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones() -> None:
    message = str(UnknownName("preset", "cgan-digit", ["dcgan-digits", "cgan-digits"]))
    assert (
        message
        == "unknown preset 'cgan-digit'; did you mean 'cgan-digits'? (known: cgan-digits, dcgan-digits)"
    )


def test_an_unknown_name_is_answered_with_what_may_be_given_instead() -> None:
    message = str(UnknownName("data", "cats", ["mnist"], else_="the path of a folder"))
    assert message == "unknown data 'cats' (known: mnist); or give the path of a folder"


class _Settings(BaseModel, extra="forbid"):
    rate: float = Field(1.0, gt=0, le=10, allow_inf_nan=False)
    threads: int = Field(1, ge=1, lt=65)
    colour: Literal["red", "blue"] = "red"
    name: str = Field("a", pattern="^a")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rate": "abc"}, "expected a number"),
        ({"rate": float("nan")}, "expected a finite number"),
        ({"rate": -1}, "expected more than 0"),
        ({"rate": 11}, "expected at most 10"),
        ({"threads": "1.5"}, "expected a whole number"),
        ({"threads": 0}, "expected at least 1"),
        ({"threads": 65}, "expected less than 65"),
        ({"colour": "green"}, "expected 'red' or 'blue'"),
        ({"size": 1}, "there is no such key"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_in_words_of_litho(
    given: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _Settings.model_validate(given)
    assert expected(caught.value.errors()[0]) == words


def test_what_has_no_words_of_its_own_keeps_those_of_the_library() -> None:
    with pytest.raises(ValidationError) as caught:
        _Settings.model_validate({"name": "b"})
    assert expected(caught.value.errors()[0]) == "String should match pattern '^a'"


def test_a_missing_extra_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'litho\[rtx\]'"):
        require("no_such_runtime", "rtx")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        # As seen under a limit of the address space.
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("Exception during loading: std::bad_alloc"),
        RuntimeError("bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 33554432"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=repr,
)
def test_every_library_s_words_for_no_memory_are_known_however_deep(error: Exception) -> None:
    assert out_of_memory(error)
    wrapped = LithoError("ONNX Runtime failed")
    wrapped.__cause__ = error
    assert out_of_memory(wrapped)
    assert list(chain(wrapped)) == [wrapped, error]


@pytest.mark.parametrize(
    "error",
    [
        ExportError("TensorRT broke off while it built; it may have run out of memory"),
        OSError(28, "No space left on device"),
        RuntimeError("could not create a primitive"),
    ],
    ids=repr,
)
def test_other_errors_and_our_own_guesses_are_not_taken_for_it(error: Exception) -> None:
    assert not out_of_memory(error)


def test_what_an_error_was_raised_in_place_of_does_not_count() -> None:
    def refuse() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise UsageError("ask for less") from None

    with pytest.raises(UsageError) as caught:
        refuse()
    assert not out_of_memory(caught.value)
