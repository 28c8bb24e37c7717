from pathlib import Path

from litho.benchmarks.gateway.keys import _checks, timed
from litho.serving.gateway.protection.key_check import KeyCheck
from litho.serving.gateway.protection.keys import KeyFile


def test_every_kind_is_timed_in_every_round() -> None:
    calls = []
    kinds = {name: (lambda name=name: calls.append(name)) for name in ("a", "b", "c")}
    times = timed("http", kinds, rounds=4, calls=2)
    assert sorted(calls) == sorted("abc" * 8)
    assert times.where == "http"
    assert [*times.difference_us] == ["a - b", "a - c", "b - c"]


def test_the_check_itself_is_timed(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, _ = file.create("one")
    check = KeyCheck(file)
    times = timed("check", {"right": _checks(check, key.encode()), "wrong": _checks(check, b"x")}, 5, 3)
    assert all(value > 0 for value in times.median_us.values())
