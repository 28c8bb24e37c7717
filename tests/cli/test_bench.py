from pathlib import Path

from .conftest import Command, Complaint


def test_a_ratio_below_the_limit_fails_after_the_result_was_shown_and_written(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    words = ("--batch", "1", "--seconds", "0.5", "--against", bundle, "--at-least", "100", "-o", tmp_path)
    done = litho_here("bench", bundle, *words)
    assert done.returncode == 1
    assert "is below --at-least 100" in error_of(done)
    assert "p50" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.html", "bench.json", "bench.png"]
