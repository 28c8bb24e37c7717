"""The table and the sentence are those of the document, and a problem is not hidden."""

from pathlib import Path

from litho.benchmarks.distributed_training.documents import DistributedTraining, Kill
from litho.benchmarks.figures import distributed_training
from litho.benchmarks.figures.base import Results
from litho.benchmarks.shared.machine import describe_machine

from ..distributed_training.test_documents import training


def test_table_and_sentence_follow_the_document(tmp_path: Path) -> None:
    kill = Kill(processes=2, killed_at_nimg=264, continued_at_nimg=192, lost_seconds=9.5, same_weights=False)
    result = DistributedTraining(trainings=(training(1e-7),), kill=kill, machine=describe_machine())
    (tmp_path / "distributed-training.json").write_text(result.model_dump_json())
    texts = distributed_training.write(Results(tmp_path))
    assert "| `flow-shapes` | fsdp | 3 | 2 | 1e-07 | 2e-03 |" in texts[""]
    said = texts["kill"].replace("\n", " ")
    assert "killed at 264 images; all went on from 192" in said
    assert "**other weights**" in said
    assert "Not as promised: the killed training has other weights" in said
