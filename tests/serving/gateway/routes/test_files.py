"""Pictures by URL, fetched by a client that has no key."""

import urllib.error
import urllib.request

import openai
import pytest

from litho.serving.gateway.program import Program


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


def test_an_unknown_picture_is_not_found(gateway: Program) -> None:
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(f"{gateway.url}/v1/files/pictures/none.png")
    with failed.value:
        assert failed.value.code == 404
