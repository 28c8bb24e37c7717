"""Names of bundles and models: what a manifest takes, checked before the work."""

import pytest
from hypothesis import example, given, strategies as st
from pydantic import TypeAdapter, ValidationError

from litho.bundle.names import MOST_CHARACTERS, Name, check_name, valid_name
from litho.errors import UsageError

REFUSED = ["", ".", "..", ".hidden", "-x", "_x", "a b", "a/b", "été", "名", "x\n", "x\0", "٣", "x" * 129]


def taken_by_a_manifest(name: str) -> bool:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_is_not_allowed_is_named_with_what_is(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"model name .* is not allowed; use letters|129 characters; allowed"
    ):
        check_name(name, "model name")


@given(st.text() | st.from_regex(r"[A-Za-z0-9._-]{1,140}", fullmatch=True))
@example("x\n")
@example("x" * MOST_CHARACTERS)
def test_the_check_takes_what_the_manifest_takes(name: str) -> None:
    try:
        taken = check_name(name, "name") == name
    except UsageError:
        taken = False
    assert taken == taken_by_a_manifest(name)


@given(st.text() | st.sampled_from(REFUSED))
@example("-" * 300)
def test_the_nearest_name_is_allowed(text: str) -> None:
    assert taken_by_a_manifest(valid_name(text))


def test_the_nearest_name_of_an_allowed_one_is_itself_and_of_another_can_be_read() -> None:
    assert valid_name("v1.2_x-y") == "v1.2_x-y"
    assert valid_name("été 2") == "ete-2"
    assert valid_name("名") == "bundle"
