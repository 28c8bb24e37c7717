import time
from pathlib import Path

import pytest

from litho.benchmarks.faults.clients import KINDS
from litho.benchmarks.faults.load import GOOD_IN_A_ROW, Load, Record, asked
from litho.errors import LithoError


def records(outcome: str, began: float, count: int = GOOD_IN_A_ROW) -> list[Record]:
    return [Record(kind, began, began + 0.01, outcome, "") for kind in KINDS for _ in range(count)]


def test_each_kind_of_client_is_counted_apart() -> None:
    raw = [Record("raw", 0, 0.01 * number, "OK", "") for number in range(10)]
    raw += [Record("raw", 0, 1, "UNAVAILABLE", "no stub"), Record("raw", 0, 1, "WRONG", "")]
    counted = asked([*raw, Record("litho", 0, 1, "OK", "")])
    assert (counted["raw"].requests, counted["raw"].failed, counted["raw"].wrong) == (12, 1, 1)
    assert counted["raw"].errors == {"UNAVAILABLE": 1}
    assert counted["litho"].p95_ms == 1000
    assert counted["fresh"].p95_ms is None


@pytest.mark.parametrize(
    ("ended", "good"),
    [
        (records("OK", 10), True),
        (records("OK", 10, GOOD_IN_A_ROW - 1), False),
        ([*records("OK", 10), Record("raw", 11, 12, "UNAVAILABLE", "")], False),
        ([Record("raw", 8, 9, "UNAVAILABLE", ""), *records("OK", 10)], True),
        ([*records("OK", 10), Record("litho", 10, 11, "WRONG", "")], False),
        (records("OK", 2), False),
    ],
)
def test_a_server_is_good_again_when_every_client_gets_good_answers(
    ended: list[Record], good: bool, tmp_path: Path
) -> None:
    load = Load("grpc://127.0.0.1:1/tiny", tmp_path / "pictures.npy", tmp_path / "log")
    load.records = ended
    assert load._is_good(since=5, quiet_seconds=1) is good


@pytest.mark.slow
def test_clients_that_cannot_start_are_told(tmp_path: Path) -> None:
    with (
        Load("nowhere", tmp_path / "pictures.npy", tmp_path / "log") as load,
        pytest.raises(LithoError, match="invalid endpoint 'nowhere'"),
    ):
        load.wait_for_good(time.monotonic(), 1, 60)
