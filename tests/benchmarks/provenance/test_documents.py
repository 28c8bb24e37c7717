"""A document of provenance is read back, shown, and says what is wrong."""

from litho.benchmarks.provenance.documents import Found, Provenance, Way, table
from litho.benchmarks.shared.machine import describe_machine


def way(words: str, same: int, grade: str = "same picture") -> Way:
    return Way(way=words, grade=grade, pictures=12, same=same, identical=3, most_levels=1, least_psnr_db=71.2)


def test_a_result_is_read_back_and_shown() -> None:
    result = Provenance(
        bundle="digits",
        ways=(way("after a restart", 11), way("by int8", 4, "same distribution")),
        alterations=(Found(kind="a digit was altered", altered=9, found=8),),
        machine=describe_machine(),
    )
    assert Provenance.model_validate_json(result.model_dump_json()) == result
    assert table(result)[2] == "| after a restart | same picture | 11 of 12 | 3 | 1 | 71.2 |"
    assert table(result)[-1] == "a digit was altered: 8 of 9 found out"
    assert result.problems == [
        "11 of 12 are the same after a restart",
        "1 of 9 were missed: a digit was altered",
    ]
