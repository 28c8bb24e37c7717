"""Write docs/bench.schema.json, the JSON Schema of `bench.json`: `make docs`."""

import json
from pathlib import Path

from litho.benchmarks.load.documents.result import BenchResult

FILE = Path(__file__).parents[1] / "docs" / "bench.schema.json"


def schema() -> str:
    """The schema as `bench.json` is written, in JSON Schema 2020-12."""
    content = BenchResult.model_json_schema(mode="serialization")
    return json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=1, sort_keys=True
    )


def main() -> None:
    """Write the file."""
    FILE.write_text(schema() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
