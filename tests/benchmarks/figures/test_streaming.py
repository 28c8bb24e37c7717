"""The tables have a row for each way, and the sentence says what became of the killed training."""

from __future__ import annotations

from pathlib import Path

from litho.benchmarks.figures import streaming
from litho.benchmarks.figures.base import Results

from ..streaming.test_documents import result


def test_the_tables_and_the_sentence_are_those_of_the_document(tmp_path: Path) -> None:
    (tmp_path / "streaming.json").write_text(result(same=True).model_dump_json())
    texts = streaming.write(Results(tmp_path))
    assert texts[""].splitlines()[2:] == ["| memory | 1.2 | 300,000 | 2.00 MiB | 250 |"]
    assert texts["cut"].splitlines()[2:] == ["| litho | 900 | 0 | 0 |", "| datasets | 900 | 40 | 0 |"]
    assert "killed 3 times ended with the same weights, bit for bit." in texts["where"].replace("\n", " ")
    (tmp_path / "streaming.json").write_text(result(same=False).model_dump_json())
    assert "**ended with other weights**" in streaming.write(Results(tmp_path))["where"].replace("\n", " ")
