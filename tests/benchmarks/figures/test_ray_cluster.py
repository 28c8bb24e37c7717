"""The texts are those of the document, and a problem is not hidden."""

from pathlib import Path

from litho.benchmarks.figures import ray_cluster
from litho.benchmarks.figures.base import Results

from ..ray_cluster.test_documents import result


def test_table_and_sentences_follow_the_document(tmp_path: Path) -> None:
    (tmp_path / "ray-cluster.json").write_text(
        result().model_copy(update={"problems": ("1 shards are missing",)}).model_dump_json()
    )
    texts = ray_cluster.write(Results(tmp_path))
    assert "| Ray | 2 | 1,600 | 6.0 |" in texts[""]
    assert "Two workers make 1.70 times as many pictures as one; Ray adds 0.250 ms" in texts["gain"].replace(
        "\n", " "
    )
    said = texts["faults"].replace("\n", " ")
    assert "the worker at shard 2, the driver at shard 4, the node at shard 6" in said
    assert "Not as promised: 1 shards are missing" in said
