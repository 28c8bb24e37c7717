import pytest
from pydantic import ValidationError

from litho.benchmarks.capacity.shape import Kind, Served, Traffic, deck


def test_names_say_how_a_model_is_served_and_loaded() -> None:
    assert Served(instances=1, threads=2, largest=8).name == "whole, 1 x 2 threads, batch 8"
    assert Served(batching="in-flight", largest=16).name == "in-flight, 2 x 1 thread, live rows 16"
    assert Served(preferred=(32,), delay_ms=5).name.endswith("batch 64, preferred 32, delay 5 ms")
    assert (Traffic(rate=200).name, Traffic(clients=8).name) == ("open, 200/s", "closed, 8")


def test_rows_of_kinds_count_by_their_weights() -> None:
    assert Traffic(rate=1, kinds=(Kind(rows=4, weight=1), Kind(weight=3))).rows == 1.75


@pytest.mark.parametrize("given", [{}, {"rate": 1.0, "clients": 1}, {"rate": 0.0}, {"clients": 0}])
def test_traffic_has_a_rate_or_clients(given: dict) -> None:
    with pytest.raises(ValidationError):
        Traffic(**given)


def test_a_deck_has_each_kind_in_its_share_and_no_pattern() -> None:
    cards = deck((Kind(weight=3), Kind(rows=2)))
    assert (cards.count(0), cards.count(1)) == (48, 16)
    assert cards != sorted(cards)
    assert cards == deck((Kind(weight=3), Kind(rows=2)))
