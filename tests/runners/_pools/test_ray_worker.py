"""The ledger of pieces; test_ray_pool.py runs the workers in a cluster."""

from litho.runners._pools.ray_worker import Ledger


def test_the_ledger_counts_further_starts_and_parts_of_pieces() -> None:
    ledger = Ledger()
    assert [ledger.begin(number) for number in (1, 2, 1, 1)] == [1, 1, 2, 3]
    ledger.advance(2, 1.0)
    ledger.advance(1, 0.25)
    assert ledger.look() == (2, 1.25)
    ledger.begin(1)
    assert ledger.look() == (3, 1.0)
