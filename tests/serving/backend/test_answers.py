"""Litho's words through Triton's protocol, for clients that are not litho's."""

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from litho.serving.server.embedded import EmbeddedServer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "steps", "complaint"),
    [
        (b"\xff", 1, "not UTF-8"),
        (b"a" * 5000, 1, "a text of 5000 bytes"),
        (b"a", 0, "'steps' was given value 0"),
        (b"a", 65, "'steps' was given value 65"),
    ],
)
def test_a_foreign_client_is_told_what_is_allowed(
    prompt: bytes, steps: int, complaint: str, flow_server: EmbeddedServer
) -> None:
    inputs = [
        InferInput("prompt", [1, 1], "BYTES").set_data_from_numpy(np.array([[prompt]], dtype=object)),
        InferInput("seed", [1, 1], "INT64").set_data_from_numpy(np.array([[7]])),
        InferInput("steps", [1, 1], "INT64").set_data_from_numpy(np.array([[steps]])),
    ]
    with InferenceServerClient(flow_server.grpc_url.removeprefix("grpc://")) as client:
        with pytest.raises(InferenceServerException, match=complaint):
            client.infer("flow", inputs)
        answer = client.infer("flow", inputs[1:2] + [_prompt("a circle")])
    assert answer.as_numpy("image").shape == (1, 8, 8, 3)


def _prompt(text: str) -> InferInput:
    return InferInput("prompt", [1, 1], "BYTES").set_data_from_numpy(
        np.array([[text.encode()]], dtype=object)
    )
