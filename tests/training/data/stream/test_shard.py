"""What a shard is known by."""

from litho.training.data.stream.shard import Chunk, Shard


def test_a_shard_counts_its_pictures_and_is_known_by_its_hash_if_there_is_one() -> None:
    chunks = (Chunk(pictures=3, first=0, size=9), Chunk(pictures=4, first=9, size=9))
    shard = Shard(key="a.tar", size=20, tag="changed 1", chunks=chunks)
    assert (shard.pictures, shard.identity) == (7, "changed 1")
    assert shard.model_copy(update={"sha256": "ab"}).identity == "ab"
