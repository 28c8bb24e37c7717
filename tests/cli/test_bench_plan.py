import json
from pathlib import Path

import pytest

from litho.bundle import Bundle

from ..benchmarks.capacity.planned import plan
from .conftest import Command, Complaint


@pytest.fixture
def earlier(bundle: Path, tmp_path: Path) -> Path:
    """A plan for the bundle, in a folder."""
    from litho.benchmarks.capacity.plan_documents import PLAN_NAME, Goal

    name = Bundle.load(bundle).manifest.name
    (tmp_path / PLAN_NAME).write_text(plan(Goal(rate=1, p95_ms=100), name).model_dump_json())
    return tmp_path


def test_the_help_says_what_is_planned(litho_here: Command) -> None:
    shown = litho_here("bench", "plan", "--help").stdout
    assert "Say how many machines a load takes, from costs measured here." in shown
    assert "--p95-ms" in shown


def test_a_plan_is_printed_and_written(
    litho_here: Command, bundle: Path, earlier: Path, tmp_path: Path
) -> None:
    given = (
        "bench",
        "plan",
        bundle,
        "--rate",
        "5000",
        "--p95-ms",
        "100",
        "--costs",
        earlier,
        "--price",
        "0.4",
    )
    shown = litho_here(*given, "--output", tmp_path / "made")
    assert shown.returncode == 0
    assert "machines serve 5,000 requests/s with a p95 of at most 100 ms" in shown.stdout
    written = json.loads((tmp_path / "made" / "plan.json").read_text())
    assert written["goal"]["rate"] == 5000


def test_a_bound_out_of_reach_is_exit_code_1(
    litho_here: Command, error_of: Complaint, bundle: Path, earlier: Path
) -> None:
    late = litho_here("bench", "plan", bundle, "--rate", "5", "--p95", "0.1", "--costs", earlier, "--json")
    assert late.returncode == 1
    assert "no number of these machines serves 5 requests/s" in error_of(late)
    assert json.loads(late.stdout)["options"]


def test_what_cannot_be_planned_is_refused(
    litho_here: Command, error_of: Complaint, bundle: Path, earlier: Path
) -> None:
    good = ("bench", "plan", bundle, "--rate", "5", "--p95-ms", "9", "--costs", earlier)
    for words, complaint in (
        (("--rate", "0"), "--rate was given 0"),
        (("--headroom", "1"), "--headroom was given 1"),
        (("--device", "cuda"), "--device was given with --costs"),
        (("--mix", "steps=4"), "--mix was given 'steps'"),
        (("--price", "cheap"), "--price was given 'cheap'"),
    ):
        refused = litho_here(*good, *words)
        assert refused.returncode == 2, words
        assert complaint in error_of(refused)
    # Without costs of before, too: a bundle is not measured first.
    unpriced = litho_here(*good[:-2], "--price", "cheap")
    assert "--price was given 'cheap'" in error_of(unpriced)
