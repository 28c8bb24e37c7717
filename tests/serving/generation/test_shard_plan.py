"""Requests that no run can have; test_shards.py has those that depend on the target."""

import pytest

from litho.errors import UsageError
from litho.serving.generation.shard_plan import MOST_SHARDS, check_numbers


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ((0, "webdataset", 10), "count 0"),
        ((10, "webdataset", 0), "per shard 0"),
        ((10, "zip", 10), "unknown format 'zip'"),
        ((MOST_SHARDS * 10 + 1, "parquet", 10), "put more pictures into a shard"),
    ],
)
def test_numbers_and_formats_are_refused(given: tuple[int, str, int], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_numbers(*given)


def test_the_manifest_of_the_most_shards_can_be_read() -> None:
    from litho.bundle.json_documents import MAX_DOCUMENT_BYTES
    from litho.serving.generation.shard_manifest import Shard

    most = 2**62
    largest = Shard(
        file="data/train-59999-of-60000.parquet", first=most, pictures=10**9, size=most, sha256="0" * 64
    )
    lines = largest.model_dump_json(indent=2).splitlines()
    assert MOST_SHARDS * sum(len(line) + 5 for line in lines) < MAX_DOCUMENT_BYTES
