"""`GET /v1/models`, asked by the real OpenAI client."""

import openai
import pytest

from litho.serving.clients import Client
from litho.serving.gateway.program import Program
from litho.serving.server.embedded import EmbeddedServer
from litho.signature import Signature


def test_the_card_of_a_model_has_its_signature(gateway: Program, server: EmbeddedServer) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)
    (listed,) = client.models.list().data
    retrieved = client.models.retrieve("tiny")
    assert listed == retrieved
    assert (listed.id, listed.object) == ("tiny", "model")
    facts = retrieved.model_extra["litho"]
    with Client(f"{server.grpc_url}/tiny") as direct:
        assert Signature.model_validate(facts["signature"]) == direct.signature
        assert facts["variants"] == ["tiny"]
        assert facts["max_batch_size"] == direct.max_batch_size
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")
