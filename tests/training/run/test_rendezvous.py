"""Processes find each other in a store that earlier rounds have used; here they are threads with a store each."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import distributed

from litho.errors import TrainingError
from litho.training.run.rendezvous import agree_on_round


def test_every_round_has_a_name_of_its_own_for_any_number_of_processes() -> None:
    store = distributed.HashStore()
    names = []
    for processes in (3, 3, 1, 2, 4):
        with ThreadPoolExecutor(processes) as pool:
            agreed = set(
                pool.map(lambda rank, count=processes: agree_on_round(store, rank, count), range(processes))
            )
        assert len(agreed) == 1
        names += agreed
    assert len(set(names)) == 5


def test_a_process_that_does_not_come_is_waited_for_and_named() -> None:
    store = distributed.HashStore()
    with pytest.raises(TrainingError, match=r"process 0 waited 0 s for the other 1; check that every node"):
        agree_on_round(store, 0, 2, 0.2)
    with pytest.raises(TrainingError, match=r"process 1 waited 0 s for the other 1"):
        agree_on_round(store, 1, 2, 0.2)
