"""Opening a pool: what is refused before anything starts."""

import pytest

from litho.errors import UsageError
from litho.runners._pools import open_pool


@pytest.mark.parametrize("given", [{"workers": 0}, {"threads": -1}])
def test_numbers_below_one_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"was given (0|-1); allowed is 1 or more"):
        open_pool(**given)


def test_more_processes_than_any_machine_has_cores_are_refused() -> None:
    with pytest.raises(UsageError, match=r"workers was given 100000; one machine takes at most \d+"):
        open_pool(workers=100_000)


def test_one_worker_is_this_process() -> None:
    with open_pool() as one, open_pool(workers=2) as two:
        assert one.inline
        assert not two.inline
