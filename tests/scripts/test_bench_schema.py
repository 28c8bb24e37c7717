"""The JSON Schema of bench.json."""

import json
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

import litho
from litho.benchmarks.load.documents.result import read_result

ROOT = Path(litho.__file__).parent


def test_the_stored_schema_is_the_one_of_the_document(script: ModuleType) -> None:
    assert script.FILE.read_text(encoding="utf-8") == script.schema() + "\n"


def test_a_result_keeps_to_the_schema_and_one_without_points_does_not(script: ModuleType) -> None:
    result = read_result(ROOT / "benchmarks" / "results" / "cgan-digits-endpoint.json")
    document = json.loads(result.model_dump_json())
    check = jsonschema.Draft202012Validator(json.loads(script.schema()))
    check.validate(document)
    del document["points"]
    with pytest.raises(jsonschema.ValidationError, match="points"):
        check.validate(document)
