"""Requests and answers as messages: what could end a server is never sent, and a stream is never believed blindly."""

from typing import Any

import numpy as np
import pytest

from litho.errors import EndpointError, InvalidInput, UsageError
from litho.runners._triton_requests import (
    MOST_REQUEST_BYTES,
    Gathered,
    Options,
    infer_request,
    messages,
    safe_inputs,
    whole_pictures,
)
from litho.signature import Signature
from litho.signature.fields import Field, Role, source_field

from ..streaming import SIGNATURE

INPUTS = {"seed": np.array([7, 8]), "steps": np.array([2, 4])}
PICTURE = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)


@pytest.mark.parametrize(
    "inputs",
    [
        {"seed": np.zeros(0, np.int64), "steps": np.zeros(0, np.int64)},
        {"seed": np.zeros(0, np.int64)},
        {"seed": np.zeros((2, 3), np.int64)},
        {"seed": np.zeros(2, np.int64), "steps": np.ones(3, np.int64)},
        {"seed": np.zeros(2, np.float64)},
        {"seed": np.zeros(2, np.int64), "stepps": np.ones(2, np.int64)},
        {},
    ],
    ids=str,
)
def test_what_could_end_a_server_is_refused_in_the_words_of_every_other_runner(
    inputs: dict[str, Any],
) -> None:
    """An empty batch is a SIGSEGV of Triton 24.10."""
    with pytest.raises(InvalidInput) as told:
        SIGNATURE.check(inputs)
    with pytest.raises(InvalidInput) as refused:
        safe_inputs(SIGNATURE, inputs)
    assert str(refused.value) == str(told.value)


def test_a_giant_request_is_refused_before_it_takes_memory() -> None:
    side = 4096
    signature = Signature(inputs=(source_field(side, side, 3),), output=SIGNATURE.output)
    giant = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (64, side, side, 3))
    with pytest.raises(InvalidInput, match=rf"too large; allowed are {MOST_REQUEST_BYTES}: send fewer"):
        safe_inputs(signature, {"source": giant})


def test_good_inputs_pass_as_they_are_and_lists_are_made_arrays() -> None:
    assert safe_inputs(SIGNATURE, INPUTS)["seed"] is INPUTS["seed"]
    assert safe_inputs(SIGNATURE, {"seed": [7]})["steps"].tolist() == [4]
    # Values are the server's to check.
    assert safe_inputs(SIGNATURE, {"seed": np.array([-1])})["seed"].tolist() == [-1]


def test_a_message_has_every_field_and_what_the_options_say() -> None:
    request = infer_request("m", "3", SIGNATURE, INPUTS, Options())
    assert (request.model_name, request.model_version) == ("m", "3")
    assert [(one.name, one.datatype, list(one.shape)) for one in request.inputs] == [
        ("seed", "INT64", [2, 1]),
        ("steps", "INT64", [2, 1]),
    ]
    assert np.frombuffer(request.raw_input_contents[0], np.int64).tolist() == [7, 8]
    assert not request.parameters
    options = Options(priority=2, queue_seconds=0.25, preview_every=5)
    given = infer_request("m", "", SIGNATURE, INPUTS, options).parameters
    assert given["priority"].uint64_param == 2
    assert given["row_priority"].int64_param == 2
    assert given["timeout"].int64_param == 250_000
    assert given["preview_every"].int64_param == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_seconds": 0},
        {"answer_seconds": -1},
        {"queue_seconds": float("inf")},
        {"priority": -1},
        {"preview_every": -2},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} was given .*; expected"):
        Options(**wrong)


def test_what_travels_in_the_head_of_a_request_is_of_one_line() -> None:
    traceparent = f"00-{'1' * 32}-{'a' * 16}-01"
    options = Options(request_id="req_1.a-B", traceparent=traceparent)
    assert infer_request("m", "", SIGNATURE, INPUTS, options).id == "req_1.a-B"
    for text in ("a\nb", "a b", "x" * 65, "\u00e9"):
        with pytest.raises(UsageError, match="request_id is at most 64"):
            Options(request_id=text)
    for text in ("", traceparent.upper(), traceparent + "\n", traceparent[1:]):
        with pytest.raises(UsageError, match="traceparent has another form"):
            Options(traceparent=text)


def streamed(image: np.ndarray, **facts: list[int]) -> Any:
    response = messages.ModelStreamInferResponse()
    answer = response.infer_response
    for name, array in {"image": image, **{name: np.array(one) for name, one in facts.items()}}.items():
        answer.outputs.add(name=name, shape=array.shape)
        answer.raw_output_contents.append(array.tobytes())
    return response


def test_rows_are_gathered_in_whatever_order_they_come() -> None:
    gathered = Gathered(SIGNATURE, INPUTS, "grpc://x")
    (preview,) = gathered.add(streamed(PICTURE, row=[1], step=[2]))
    assert (preview.row, preview.step, preview.steps, preview.finished) == (1, 2, 4, False)
    with pytest.raises(EndpointError, match="ended its stream without 2 of 2 pictures, the first is 0"):
        gathered.images()
    list(gathered.add(streamed(PICTURE + 1, row=[1], step=[4])))
    assert list(gathered.add(messages.ModelStreamInferResponse())) == []
    (last,) = gathered.add(streamed(PICTURE, row=[0], step=[2]))
    assert last.finished
    assert gathered.images().tolist() == np.concatenate([PICTURE, PICTURE + 1]).tolist()


def test_a_model_without_rows_and_steps_gives_all_pictures_at_once() -> None:
    both = np.concatenate([PICTURE, PICTURE])
    gathered = Gathered(SIGNATURE, INPUTS, "grpc://x")
    made = list(gathered.add(streamed(both)))
    assert [(one.row, one.step, one.finished) for one in made] == [(0, 2, True), (1, 4, True)]
    assert [(one.row, one.step) for one in whole_pictures(SIGNATURE, INPUTS, both)] == [(0, 2), (1, 4)]
    plain = Signature(inputs=(Field(name="z", role=Role.LATENT, dtype="FP32"),), output=SIGNATURE.output)
    (only,) = whole_pictures(plain, {"z": np.zeros(1, np.float32)}, PICTURE)
    assert (only.step, only.steps) == (1, 1)


@pytest.mark.parametrize(
    "response",
    [
        streamed(PICTURE, row=[2], step=[2]),
        streamed(PICTURE, row=[-1], step=[2]),
        streamed(PICTURE, row=[0, 1], step=[2, 4]),
        streamed(PICTURE[:, :2], row=[0], step=[2]),
    ],
)
def test_a_stream_of_another_form_is_an_error(response: Any) -> None:
    with pytest.raises(EndpointError, match="streamed rows"):
        list(Gathered(SIGNATURE, INPUTS, "grpc://x").add(response))


def test_an_error_in_a_stream_is_one_line() -> None:
    response = messages.ModelStreamInferResponse(error_message="first\nsecond")
    with pytest.raises(EndpointError, match="grpc://x refused the request: first second"):
        list(Gathered(SIGNATURE, INPUTS, "grpc://x").add(response))
