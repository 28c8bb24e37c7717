"""What every pool does with its pieces, whoever does them."""

from pathlib import Path

import pytest

from litho.errors import InvalidInput, LithoError
from litho.runners._pools import open_pool


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_each_piece_is_answered_once_and_progress_ends_at_their_number(tmp_path: Path, workers: int) -> None:
    from litho_toys import Squares

    seen: list[float] = []
    with open_pool(workers=workers, threads=3) as pool:
        found = list(pool.run(Squares(tmp_path, busy=[4]), [3, 4, 5, 9], seen.append))
        assert sorted(found) == [(number, (number**2, 3)) for number in (3, 4, 5, 9)]
        assert (pool.report.pieces, pool.report.retries) == (4, 1)
        assert 1 <= pool.report.workers <= workers
        assert seen[-1] == 4
        assert list(pool.run(Squares(tmp_path), [])) == []


def test_an_error_of_a_piece_ends_the_work_and_is_not_tried_again(tmp_path: Path) -> None:
    from litho_toys import Squares

    with open_pool() as pool, pytest.raises(InvalidInput, match="number 2 is wrong"):
        list(pool.run(Squares(tmp_path, wrong=[2]), range(5)))
    assert (pool.report.pieces, pool.report.retries) == (2, 0)


def test_work_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    from litho_toys import Squares

    with open_pool() as pool, pytest.raises(LithoError, match="no such model"):
        list(pool.run(Squares(tmp_path, closed=True), range(5)))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_answers_in_order_are_those_of_their_numbers(tmp_path: Path, workers: int) -> None:
    from litho_toys import Squares

    with open_pool(workers=workers, threads=1) as pool:
        assert pool.in_order(Squares(tmp_path, busy=[0]), 3) == [(0, 1), (1, 1), (4, 1)]
        assert pool.in_order(Squares(tmp_path), 0) == []
