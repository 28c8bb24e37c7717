"""The description of the paths is a schema that real requests and answers keep to."""

import json
from copy import deepcopy

import jsonschema
import numpy as np

from litho.serving.gateway.errors import refused
from litho.serving.gateway.kserve.infer_answer import infer_answer
from litho.serving.gateway.kserve.infer_request import InferRequest, RequestReader
from litho.serving.gateway.kserve.schemas import INFER, SERVER, describe_models, on_model

from .requests import SIGNATURES, request, seed


def test_requests_and_answers_keep_to_their_schemas() -> None:
    asked = INFER["requestBody"]["content"]["application/json"]["schema"]
    answer = INFER["responses"]["200"]["content"]["application/json"]["schema"]
    error = INFER["responses"]["400"]["content"]["application/json"]["schema"]
    for schema in (asked, answer, error):
        jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(request(id="a", parameters={"timeout": 5}, outputs=[{"name": "image"}]), asked)
    for bad in (seed(shape=[0, 1]), seed(datatype="FP64"), request(more=1)):
        assert not jsonschema.Draft202012Validator(asked).is_valid(bad)
    images = np.zeros((2, 3, 3, 1), np.uint8)
    body, _ = infer_answer(images, InferRequest("a", {}), output="image", model="m", version="1")
    jsonschema.validate(json.loads(body), answer)
    jsonschema.validate(refused("no", "seed").document("req_1", "/v2/models/m/infer"), error)
    assert not jsonschema.Draft202012Validator(error).is_valid(refused("no").document())


def test_an_operation_names_the_parts_of_its_path() -> None:
    described = on_model("/v2/models/{model}/versions/{version}/infer", INFER)
    assert [one["name"] for one in described["parameters"]] == [
        "model",
        "version",
        "Inference-Header-Content-Length",
    ]
    assert on_model("/v2", SERVER)["parameters"] == []


def test_the_document_has_a_request_for_each_model_that_it_takes() -> None:
    paths = {
        path: {"post": deepcopy(on_model(path, INFER))}
        for path in ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")
    } | {"/v1/models/{model}": {"get": {}}}
    describe_models(paths, SIGNATURES, {"3"})
    for path in list(paths)[:2]:
        operation = paths[path]["post"]
        (named,) = [one for one in operation["parameters"] if one["name"] == "model"]
        assert named["schema"]["enum"] == sorted(SIGNATURES)
        assert ({"type": "string", "enum": ["3"]} in [one["schema"] for one in operation["parameters"]]) is (
            "{version}" in path
        )
        content = operation["requestBody"]["content"]["application/json"]
        for name, signature in SIGNATURES.items():
            example = json.loads(json.dumps(content["examples"][name]["value"]))
            jsonschema.validate(example, content["schema"])
            RequestReader(signature, 1).read(json.dumps(example).encode(), None)
    assert paths["/v1/models/{model}"] == {"get": {}}


def test_without_models_the_document_allows_any_name() -> None:
    paths = {"/v2/models/{model}/infer": {"post": deepcopy(on_model("/v2/models/{model}/infer", INFER))}}
    describe_models(paths, {})
    assert paths["/v2/models/{model}/infer"]["post"] == on_model("/v2/models/{model}/infer", INFER)
