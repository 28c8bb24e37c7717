"""Reading from a stream is timed in a process of its own."""

from pathlib import Path

from litho.benchmarks.streaming.run import read_speed


def test_reading_is_timed_with_its_memory(tmp_path: Path) -> None:
    found = read_speed("memory", "digits", 0.05)
    assert found.way == "memory"
    assert found.images_per_second > 0
    assert found.memory_bytes >= 0
