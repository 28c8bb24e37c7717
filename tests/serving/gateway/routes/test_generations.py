"""`POST /v1/images/generations`, asked by the real OpenAI client."""

import asyncio
from typing import Any

import numpy as np
import openai
import pytest

from litho.serving.clients import Client
from litho.serving.gateway.program import Program
from litho.serving.gateway.work import derived_seed
from litho.serving.provenance.picture_metadata import read_receipt
from litho.serving.server.embedded import EmbeddedServer
from tests.streaming import expected

from ..conftest import pixels_of


def test_pictures_are_those_of_the_server(client: openai.OpenAI, server: EmbeddedServer) -> None:
    made = client.images.generate(
        model="tiny", prompt="", n=3, user="somebody", extra_body={"seed": 7, "label": 3}
    )
    seeds = [derived_seed(7, k) for k in range(3)]
    with Client(f"{server.grpc_url}/tiny") as direct:
        images = direct.generate(seed=seeds, label=3)
    assert made.data is not None
    assert [one.model_extra["seed"] for one in made.data] == seeds
    for one, image in zip(made.data, images, strict=True):
        assert np.abs(pixels_of(one.b64_json).astype(int) - image).max() <= 1
    assert made.safety_identifier == "somebody"
    height, width, _ = images.shape[1:]
    assert (made.size, made.output_format, made.background) == (f"{width}x{height}", "png", "opaque")


def test_a_seed_is_drawn_and_returned(client: openai.OpenAI) -> None:
    first, second = (client.images.generate(prompt="3").data for _ in range(2))
    assert first is not None
    assert second is not None
    seed = first[0].model_extra["seed"]
    assert seed != second[0].model_extra["seed"]
    again = client.images.generate(prompt="3", extra_body={"seed": seed}).data
    assert again is not None
    assert (pixels_of(again[0].b64_json) == pixels_of(first[0].b64_json)).all()


def test_the_receipt_is_in_the_answer_and_in_the_file(client: openai.OpenAI) -> None:
    for form in ("png", "jpeg", "webp"):
        address = client.images.generate(prompt="3", output_format=form, response_format="url").data
        assert address is not None
        assert address[0].url is not None
        file = client.get(address[0].url, cast_to=openai.HttpxBinaryResponseContent, options={})
        assert file.response.headers["content-type"] == f"image/{form}"
        receipt = read_receipt(file.content)
        receipt.check()
        assert receipt.to_document() == address[0].model_extra["receipt"]
        assert receipt.fields["label"] == 3
        assert receipt.fields["seed"] == address[0].model_extra["seed"]


@pytest.mark.parametrize(
    ("asked", "param", "message"),
    [
        ({"prompt": "3", "sede": 7}, "sede", "takes no 'sede'; it takes: seed, label"),
        ({"prompt": "3", "steps": 7}, "steps", "takes no 'steps'"),
        ({"prompt": "a cat"}, "prompt", "no class has this name; there are: 0, 1"),
        ({"prompt": ""}, "label", "'label' is missing"),
        ({"prompt": "3", "label": 4}, "prompt", "send an empty one beside 'label'"),
        ({"prompt": "", "label": 10}, "label", "was given value 10"),
        ({"prompt": "", "label": [1, 2]}, "label", "shape"),
        ({"prompt": "", "label": True}, "label", "another value than it takes"),
        ({"prompt": "3", "seed": -1}, "seed", "was given value -1"),
        ({"prompt": "3", "seed": 1.5}, "seed", "dtype float64"),
        ({"prompt": "3", "seed": 2**64}, "seed", "another value than it takes"),
        ({"prompt": "3", "seed": {"a": 1}}, "seed", "another value than it takes"),
        ({"prompt": "3", "n": 0}, "n", "greater than or equal to 1"),
        ({"prompt": "3", "n": 11}, "n", "allowed are 1 to 10"),
        ({"prompt": "3", "n": "2"}, "n", "valid integer"),
        ({"prompt": "3", "size": "64x64"}, "size", "the model makes 32x32"),
        ({"prompt": "3", "size": "big"}, "size", "expected WIDTHxHEIGHT"),
        ({"prompt": "3", "quality": "hd"}, "quality", "'auto'"),
        ({"prompt": "3", "style": "vivid"}, "style", "leave it out"),
        ({"prompt": "3", "output_format": "gif"}, "output_format", "'png', 'jpeg' or 'webp'"),
        ({"prompt": "3", "output_compression": 50}, "output_compression", "png is lossless"),
        ({"prompt": "3", "background": "transparent"}, "background", "opaque pictures only"),
        ({"prompt": "3", "partial_images": 2}, "partial_images", "set 'stream' to true"),
        ({"prompt": "3", "stream": True, "response_format": "url"}, "response_format", "b64_json"),
        ({"prompt": "3", "variant": "int8"}, "variant", "has no such variant"),
        ({"prompt": 3}, "prompt", "valid string"),
    ],
)
def test_what_the_model_does_not_take_is_refused(
    client: openai.OpenAI, asked: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as failed:
        client.post("/images/generations", body=asked, cast_to=object)
    assert failed.value.param == param
    assert failed.value.type == "invalid_request_error"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there are: tiny") as failed:
        client.images.generate(model="none", prompt="3")
    assert (failed.value.code, failed.value.param) == ("model_not_found", "model")


def test_a_model_that_needs_a_picture_says_where_to_send_it(streaming_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="send it to /v1/images/edits"):
        streaming_client.images.generate(model="filled", prompt="")


def test_of_several_models_one_has_to_be_named(streaming_client: openai.OpenAI) -> None:
    with pytest.raises(
        openai.BadRequestError, match="'model' is missing; it is one of: both, changing, filled"
    ):
        streaming_client.images.generate(prompt="")


def test_previews_and_pictures_are_events(streaming_client: openai.OpenAI) -> None:
    events = list(
        streaming_client.images.generate(
            model="sketch", prompt="", stream=True, partial_images=3, n=2, extra_body={"seed": 5, "steps": 12}
        )
    )
    seeds = [derived_seed(5, k) for k in range(2)]
    for index, seed in enumerate(seeds):
        own = [event for event in events if event.model_extra["index"] == index]
        assert [event.type for event in own] == ["image_generation.partial_image"] * 3 + [
            "image_generation.completed"
        ]
        assert [event.partial_image_index for event in own[:3]] == [0, 1, 2]
        for event, step in zip(own, (3, 6, 9, 12), strict=True):
            assert (pixels_of(event.b64_json) == expected(seed, step)).all()
            assert event.size == "4x4"
        assert own[-1].model_extra["seed"] == seed
        assert own[-1].model_extra["receipt"]["fields"]["seed"] == seed


def test_a_model_without_previews_streams_its_picture(client: openai.OpenAI) -> None:
    events = list(client.images.generate(prompt="3", stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_many_tasks_of_the_asynchronous_client(streaming_gateway: Program) -> None:
    async def ask(client: openai.AsyncOpenAI, seed: int) -> None:
        extra = {"seed": seed, "steps": 3}
        made = await client.images.generate(model="sketch", prompt="", extra_body=extra)
        assert made.data is not None
        assert (pixels_of(made.data[0].b64_json) == expected(seed, 3)).all()
        stream = await client.images.generate(model="sketch", prompt="", stream=True, extra_body=extra)
        (event,) = [event async for event in stream]
        assert (pixels_of(event.b64_json) == expected(seed, 3)).all()

    async def run() -> None:
        url = f"{streaming_gateway.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            await asyncio.gather(*(ask(client, seed) for seed in range(20)))

    asyncio.run(run())
