"""The JSON Schema of bench.json."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

import litho
from litho.benchmarks.load.documents.result import read_result

ROOT = Path(litho.__file__).parent


@pytest.fixture(scope="module")
def bench_schema() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_schema", ROOT / "scripts" / "bench_schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stored_schema_is_the_one_of_the_document(bench_schema: ModuleType) -> None:
    assert bench_schema.FILE.read_text(encoding="utf-8") == bench_schema.schema() + "\n"


def test_a_result_keeps_to_the_schema_and_one_without_points_does_not(bench_schema: ModuleType) -> None:
    result = read_result(ROOT / "benchmarks" / "results" / "cgan-digits-endpoint.json")
    document = json.loads(result.model_dump_json())
    check = jsonschema.Draft202012Validator(json.loads(bench_schema.schema()))
    check.validate(document)
    del document["points"]
    with pytest.raises(jsonschema.ValidationError, match="points"):
        check.validate(document)
