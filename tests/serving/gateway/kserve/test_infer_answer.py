"""Answers of the protocol, as Triton's own client reads them."""

import json

import numpy as np
import pytest
import tritonclient.http
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from litho.errors import InvalidInput
from litho.serving.gateway.kserve.infer_answer import (
    LENGTH_HEADER,
    MOST_JSON_VALUES,
    check_answer,
    infer_answer,
)
from litho.serving.gateway.kserve.infer_request import InferRequest
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

from .requests import PLAIN

IMAGES = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=4, max_dims=4, max_side=5))


@given(IMAGES, st.booleans(), st.none() | st.text(max_size=9))
def test_tritons_client_reads_the_pictures(images: np.ndarray, binary: bool, identifier: str | None) -> None:
    request = InferRequest(identifier, {}, binary=binary)
    body, headers = infer_answer(images, request, output="image", model="digits", version="3")
    length = headers.get(LENGTH_HEADER.lower())
    assert (length is not None) is binary
    result = tritonclient.http.InferenceServerClient.parse_response_body(
        body, header_length=None if length is None else int(length)
    )
    read = result.as_numpy("image")
    assert read is not None
    np.testing.assert_array_equal(read, images)
    said = result.get_response()
    assert said.get("id") == identifier
    assert (said["model_name"], said["model_version"]) == ("digits", "3")
    assert len(body) <= 300 + 4 * images.size
    if not binary:
        json.loads(body)


def test_pictures_too_large_for_json_are_refused_before_they_are_made() -> None:
    large = Signature(inputs=(seed_field(),), output=image_output(2048, 2048, 1))
    one, two = ({"seed": np.arange(count)} for count in (1, 2))
    check_answer(large, InferRequest(None, one))
    check_answer(large, InferRequest(None, two, binary=True))
    with pytest.raises(InvalidInput, match=rf"8388608 numbers; allowed are {MOST_JSON_VALUES}"):
        check_answer(large, InferRequest(None, two))
    check_answer(PLAIN, InferRequest(None, PLAIN.example(4)))
