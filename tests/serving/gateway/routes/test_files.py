"""Pictures by URL, fetched by a client that has no key."""

import json
import urllib.error
import urllib.request

import openai
import pytest

from litho.serving.gateway.program import Program
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway


def test_a_url_leads_to_the_picture(client: openai.OpenAI, gateway: Program) -> None:
    made = client.images.generate(prompt="3", response_format="url", output_format="webp").data
    assert made is not None
    assert made[0].url is not None
    assert made[0].url.startswith(f"{gateway.url}/v1/files/pictures/")
    with urllib.request.urlopen(made[0].url) as answer:
        assert answer.headers["Content-Type"] == "image/webp"
        content = answer.read()
    assert content[8:12] == b"WEBP"
    with urllib.request.urlopen(urllib.request.Request(made[0].url, method="HEAD")) as answer:
        assert answer.headers["Content-Type"] == "image/webp"
        assert int(answer.headers["Content-Length"]) == len(content)
        assert answer.read() == b""


def test_a_url_names_the_proxy_before_the_gateway(server: EmbeddedServer) -> None:
    public = "https://example.org/litho"
    with (
        running_gateway(server.grpc_url, public_url=public) as program,
        openai.OpenAI(base_url=f"{program.url}/v1", api_key="none", max_retries=0) as client,
    ):
        made = client.images.generate(prompt="3", response_format="url").data
        with urllib.request.urlopen(f"{program.url}/openapi.json") as answer:
            document = json.load(answer)
        assert document["servers"] == [{"url": public}]
        assert made is not None
        assert made[0].url is not None
        assert made[0].url.startswith(f"{public}/v1/files/pictures/")
        # The proxy takes its path off.
        with urllib.request.urlopen(made[0].url.replace(public, program.url)) as answer:
            assert answer.read()[1:4] == b"PNG"


def test_an_unknown_picture_is_not_found(gateway: Program) -> None:
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(f"{gateway.url}/v1/files/pictures/none.png")
    with failed.value:
        assert failed.value.code == 404
