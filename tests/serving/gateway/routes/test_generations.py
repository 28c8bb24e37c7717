"""`POST /v1/images/generations`, asked by the real OpenAI client."""

import base64
from io import BytesIO

import numpy as np
import openai
import pytest
from PIL import Image

from litho.serving.clients import Client
from litho.serving.gateway.program import Program
from litho.serving.gateway.work import derived_seed
from litho.serving.server.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def client(gateway: Program) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


def test_pictures_are_those_of_the_server(client: openai.OpenAI, server: EmbeddedServer) -> None:
    made = client.images.generate(model="tiny", prompt="3", n=3, extra_body={"seed": 7, "label": 3})
    seeds = [derived_seed(7, k) for k in range(3)]
    with Client(f"{server.grpc_url}/tiny") as direct:
        expected = direct.generate(seed=seeds, label=3)
    assert made.data is not None
    assert [one.model_extra["seed"] for one in made.data] == seeds
    for one, image in zip(made.data, expected, strict=True):
        picture = Image.open(BytesIO(base64.b64decode(one.b64_json or "")))
        given = np.asarray(picture).reshape(image.shape)
        assert np.abs(given.astype(int) - image).max() <= 1


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there are: tiny") as failed:
        client.images.generate(model="none", prompt="3")
    assert (failed.value.code, failed.value.param) == ("model_not_found", "model")
