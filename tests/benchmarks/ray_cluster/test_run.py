"""What the benchmark calls a problem, and its table."""

from litho.benchmarks.ray_cluster.run import problems_of, table

from .test_documents import FAULTS, result


def test_every_difference_and_a_small_gain_are_problems() -> None:
    assert problems_of(FAULTS, 1.61) == ()
    wrong = FAULTS.model_copy(update={"missing": 1, "different": 2, "twice": 3})
    assert problems_of(wrong, 1.5) == (
        "1 shards are missing",
        "2 files have other bytes than those of one process",
        "3 pictures are there twice",
        "two workers are 1.50 times as fast as one, and not 1.6",
    )


def test_the_table_has_a_row_for_each_form() -> None:
    assert table(result())[2:] == [
        "| process | 1 | 1,000 | 1.0 |",
        "| ray | 1 | 800 | 5.0 |",
        "| ray | 2 | 1,600 | 6.0 |",
    ]
