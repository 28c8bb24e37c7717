import pytest

from litho.benchmarks.load.generator.worker.plan import Message


@pytest.mark.parametrize(
    ("counted", "rows", "expected"),
    [
        ("seed", 2, b"ab" + (5).to_bytes(8, "little") + (6).to_bytes(8, "little") + b"yz"),
        ("bytes", 1, b"ab" + (5).to_bytes(8, "little") + b"01234567yz"),
        ("mantissa", 1, b"ab" + (5).to_bytes(2, "little") + b"23456701234567yz"),
    ],
)
def test_the_counted_part_of_a_message_is_replaced(counted, rows, expected):
    assert Message(b"ab0123456701234567yz", 2, counted, rows, 0).of(5) == expected


def test_a_message_without_a_counted_part_stays_as_it_is():
    assert Message(b"abc", -1, "", 1, 0).of(5) == b"abc"
