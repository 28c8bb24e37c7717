"""Descriptions of server and model, against the message that Triton has for them."""

from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2, service_pb2

from litho.serving.gateway.kserve.descriptions import (
    model_configuration,
    model_metadata,
    server_metadata,
)

from .requests import FREE, RICH


def test_they_are_messages_of_triton() -> None:
    config = json_format.ParseDict(
        model_configuration("shapes", "3", RICH, 8, {"litho_variant": "fp32"}),
        model_config_pb2.ModelConfig(),  # pyright: ignore[reportAttributeAccessIssue]
    )
    assert [list(one.dims) for one in config.input] == [[1], [3, 2, 3], [3, 2, 1], [2, 3], [1]]
    assert config.parameters["litho_variant"].string_value == "fp32"
    assert list(config.version_policy.specific.versions) == [3]
    metadata = json_format.ParseDict(
        model_metadata("shapes", "3", FREE),
        service_pb2.ModelMetadataResponse(),  # pyright: ignore[reportAttributeAccessIssue]
    )
    assert [list(one.shape) for one in metadata.inputs] == [[-1, -1, -1, 1]]
    assert metadata.outputs[0].datatype == "UINT8"
    assert server_metadata()["extensions"] == ["binary_tensor_data", "model_configuration"]
