import inspect
import re

import pytest

from litho import errors
from litho.errors import LithoError, MissingExtra, UnknownName, UsageError
from litho.extras import require


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert classes == set(errors.__all__)
    drawn = set(re.findall(r"[A-Z][A-Za-z]+(?=  |\n)", errors.__doc__ or ""))
    assert classes <= drawn


def test_the_tree_is_drawn_as_the_classes_inherit() -> None:
    parents: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z][A-Za-z]+)", line):
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            if depth:
                assert getattr(errors, parents[depth - 1]) in getattr(errors, match[2]).__bases__


@pytest.mark.parametrize("name", errors.__all__)
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


def test_a_missing_extra_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'litho\[rtx\]'"):
        require("no_such_runtime", "rtx")
