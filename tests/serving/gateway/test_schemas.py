"""Parts of the OpenAPI document: every reference leads somewhere, and an object allows nothing else."""

import json
import re

from jsonschema import Draft202012Validator

from litho.serving.gateway.errors import refused
from litho.serving.gateway.schemas import ERROR, components, errors, object_of


def test_every_reference_leads_to_a_schema() -> None:
    known = components()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps([known, errors(400, 503)])))
    assert named <= known.keys()
    for schema in known.values():
        Draft202012Validator.check_schema(schema)


def test_errors_have_the_form_that_is_described() -> None:
    for document in (refused("no").document(), refused("no", "n", "code").document("id")):
        Draft202012Validator(ERROR).validate(document)


def test_an_object_allows_nothing_else() -> None:
    validator = Draft202012Validator(object_of({"a": {}, "b": {}}, optional=("b",)))
    assert validator.is_valid({"a": 1})
    assert not validator.is_valid({"b": 1})
    assert not validator.is_valid({"a": 1, "c": 1})
