"""Manifests: in whatever order shards are finished, a complete one is the same, and an old one is read."""

import json

import pytest
from hypothesis import given, strategies as st

from litho.bundle.json_documents import read_as
from litho.errors import SchemaError
from litho.serving.generation.shard_manifest import SCHEMA_VERSION, Shard, ShardManifest, difference

EMPTY = ShardManifest(
    litho_version="0.2.0",
    target={"kind": "bundle", "variant": "generator.fp32.onnx"},
    format="webdataset",
    count=45,
    per_shard=10,
    first_seed=7,
    fields={"label": [0, 1]},
)


def shard(number: int) -> Shard:
    rows = EMPTY.rows(number)
    return Shard(file=f"{number:05d}.tar", first=rows.start, pictures=len(rows), size=9, sha256="0" * 64)


@given(st.permutations(range(5)), st.integers(0, 5))
def test_finished_shards_are_listed_in_order_and_found_again(order: list[int], count: int) -> None:
    finished = {number: shard(number) for number in order[:count]}
    manifest = EMPTY.with_shards(finished)
    assert manifest.finished() == finished
    assert [one.first for one in manifest.shards] == [10 * n for n in range(len(manifest.shards))]
    assert [one.first for one in manifest.ahead] == sorted(one.first for one in manifest.ahead)
    assert manifest.complete == (count == 5)
    assert ShardManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert ("ahead" in json.loads(manifest.model_dump_json())) == bool(manifest.ahead)


def test_a_finished_manifest_has_the_keys_that_every_litho_reads() -> None:
    manifest = EMPTY.with_shards({number: shard(number) for number in range(5)})
    assert list(json.loads(manifest.model_dump_json())) == [
        "schema_version",
        "litho_version",
        "target",
        "format",
        "count",
        "per_shard",
        "first_seed",
        "fields",
        "shards",
        "complete",
    ]
    assert [one.pictures for one in manifest.shards] == [10, 10, 10, 10, 5]


def test_the_first_fact_in_which_two_requests_differ_is_given() -> None:
    assert difference(EMPTY, EMPTY) is None
    other = EMPTY.model_copy(
        update={"target": {**EMPTY.target, "variant": "generator.fp16.onnx"}, "count": 9}
    )
    assert difference(EMPTY, other) == (
        "target.variant is 'generator.fp32.onnx' there and 'generator.fp16.onnx' here"
    )
    assert difference(EMPTY, EMPTY.model_copy(update={"fields": {}})) == (
        "fields.label is [0, 1] there and nothing here"
    )


def test_a_newer_manifest_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("newer")
    document = {**json.loads(EMPTY.model_dump_json()), "schema_version": SCHEMA_VERSION + 1}
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(SchemaError):
        read_as(ShardManifest, "a manifest of shards", folder, "manifest.json", SCHEMA_VERSION)
