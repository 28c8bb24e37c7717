from pathlib import Path

from .conftest import Command, Complaint


def test_the_help_says_what_is_searched(litho_here: Command) -> None:
    shown = litho_here("bench", "tune", "--help").stdout
    assert "Search the settings of 'litho deploy' that suit a bundle here." in shown
    assert "--slo-ms" in shown


def test_what_cannot_be_searched_is_refused(litho_here: Command, error_of: Complaint, tmp_path: Path) -> None:
    missing = litho_here("bench", "tune", tmp_path / "none")
    assert missing.returncode == 2
    assert "no bundle at" in error_of(missing)
    aim = litho_here("bench", "tune", tmp_path, "--aim", "speed")
    assert aim.returncode == 2
    assert "'speed'" in error_of(aim)


def test_a_budget_is_above_zero(litho_here: Command, error_of: Complaint, bundle: Path) -> None:
    refused = litho_here("bench", "tune", bundle, "--seconds", "0")
    assert refused.returncode == 2
    assert "--seconds was given 0" in error_of(refused)
