"""The table has a row for each way, and the sentence says what was missed."""

from pathlib import Path

from litho.benchmarks.figures import provenance
from litho.benchmarks.figures.base import Results
from litho.benchmarks.provenance.documents import Found, Provenance, Way
from litho.benchmarks.shared.machine import describe_machine


def test_the_table_and_the_sentence_are_those_of_the_document(tmp_path: Path) -> None:
    way = Way(
        way="after a restart",
        grade="same picture",
        pictures=12,
        same=11,
        identical=3,
        most_levels=1,
        least_psnr_db=71.25,
    )
    result = Provenance(
        bundle="digits",
        ways=(way,),
        alterations=(Found(kind="a digit was altered", altered=9, found=8),),
        machine=describe_machine(),
    )
    (tmp_path / "provenance.json").write_text(result.model_dump_json())
    texts = provenance.write(Results(tmp_path))
    row = "| after a restart | same picture | 11 of 12 | 3 | 1 | 71.2 |"
    assert texts[""].splitlines()[2:] == [row]
    said = texts["found"].replace("\n", " ")
    assert "Found out: a digit was altered, 8 of 9 times." in said
    assert "Not as promised: 11 of 12 are the same after a restart" in said
