import pytest

from litho.errors import UsageError
from litho.training.processes import part_of_batch


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    assert [part_of_batch(8, number, 2) for number in (0, 1)] == [slice(0, 4), slice(4, 8)]
    with pytest.raises(UsageError, match=r"batch 9 cannot be shared by 2 processes; take a multiple"):
        part_of_batch(9, 0, 2)
