"""The verdict comes first, and says honestly when nothing was gained."""

from litho.benchmarks.tuning import deploy_command, lines, table, verdict

from .results import a_result, a_trial, confirmed


def test_a_confirmed_gain_is_claimed_with_its_interval() -> None:
    result = a_result(winner=0, confirmation=confirmed([1.3] * 9))
    said = verdict(result)
    assert said.startswith("better than the default: threads 2, preferred_batch_sizes 8: ")
    assert "1.30 times the default (1.30 to 1.30, 9 pairs)" in said


def test_no_gain_is_said_in_the_first_words() -> None:
    said = verdict(a_result(winner=0, confirmation=confirmed([1.02] * 9)))
    assert said.startswith("not better than the default: ")
    assert "keep the default" in said
    assert verdict(a_result()).startswith("no candidate is better than the default")


def test_the_table_has_the_default_first_then_the_best_and_why_others_failed() -> None:
    headings, rows = table(a_result())
    assert [row[0] for row in rows] == ["default", *["threads 2, preferred_batch_sizes 8"] * 3]
    assert [row[1] for row in rows] == ["1.00", "1.30", "0.50", "-"]
    assert rows[2][-1] == "pruned: clearly worse in round 1"
    assert rows[3][-1] == "failed: its pictures are others"
    assert all(len(row) == len(headings) for row in rows)
    said = lines(a_result())
    assert said[0].startswith("3 candidates: 1 measured, 1 pruned, 1 failed; ")
    assert said[1:] == ["failed, 1 of them: its pictures are others"]


def test_the_command_deploys_what_was_found() -> None:
    assert deploy_command(a_result(), "bundles/digits", "tune/settings.json") == "litho deploy bundles/digits"
    gained = confirmed([1.3] * 9)
    result = a_result(winner=0, confirmation=gained)
    shown = deploy_command(result, "bundles/digits", "tune/settings.json")
    assert shown == "litho deploy bundles/digits --settings tune/settings.json"
    goal = result.goal.model_copy(update={"grade": "same distribution"})
    trial = a_trial(0, 1.3, variant="generator.int8.onnx", settings={})
    other = a_result(winner=0, confirmation=gained, goal=goal, trials=(trial,))
    shown = deploy_command(other, "bundles/digits", "tune/settings.json")
    assert shown == "litho deploy bundles/digits --variant generator.int8.onnx --grade same-distribution"
