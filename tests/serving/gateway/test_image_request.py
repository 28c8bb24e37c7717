import contextlib

import pytest
from hypothesis import given, strategies

from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.image_request import from_form, from_json

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"\xff", DEEP, b'{"n": NaN}', b'{"n": ' + b"1" * 5000 + b"}", b'"\\ud800"'],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="the body is no JSON") as failed:
        from_json(body, "application/json")
    assert (failed.value.status, failed.value.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_another_type_of_body_is_refused(kind: str) -> None:
    with pytest.raises(ApiError, match="send application/json") as failed:
        from_json(b"{}", kind)
    assert failed.value.status == 415


def test_null_is_as_if_it_were_left_out() -> None:
    asked = from_json(b'{"prompt": null, "n": null, "seed": null, "stream": null, "style": null}', None)
    assert (asked.prompt, asked.n, asked.stream, asked.fields) == (None, None, None, {})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert from_json(b'{"n": 2.0}', "application/json; charset=utf-8").n == 2


@pytest.mark.parametrize(
    ("body", "name"), [(b'{"seed": 1, "n": 2, "seed": 1}', "seed"), (b'{"a": [{"b": 1, "b": null}]}', "b")]
)
def test_a_field_that_is_given_twice_is_refused(body: bytes, name: str) -> None:
    with pytest.raises(ApiError, match="given twice") as failed:
        from_json(body, None)
    assert failed.value.param == name


def test_a_form_gives_the_same_as_json() -> None:
    texts = [("n", "2"), ("stream", "true"), ("prompt", "a cat"), ("output_compression", "50"), ("seed", "7")]
    asked = from_form(texts)
    assert asked == from_json(
        b'{"n": 2, "stream": true, "prompt": "a cat", "output_compression": 50, "seed": "7"}', None
    )


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([("n", "two")], "n"),
        ([("n", "\u0663")], "n"),
        ([("n", "9" * 400)], "n"),
        ([("n", "1"), ("n", "1")], "n"),
        ([("stream", "yes")], "stream"),
        ([("size", "1x")], "size"),
    ],
)
def test_a_wrong_text_of_a_form_is_refused(items: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(ApiError) as failed:
        from_form(items)
    assert failed.value.param == param


@given(strategies.binary(max_size=200))
def test_no_body_is_a_fault_of_the_gateway(body: bytes) -> None:
    with contextlib.suppress(ApiError):
        from_json(body, None)
