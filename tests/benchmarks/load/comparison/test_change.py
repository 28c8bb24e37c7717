from pathlib import Path

import pytest

import litho
from litho.benchmarks import read_result
from litho.benchmarks.load.comparison.change import change_of, read_runs, rows_of
from litho.benchmarks.load.comparison.effect import FEWEST_PAIRS
from litho.errors import SchemaError, UsageError

STORED = Path(litho.__file__).parent / "benchmarks/results/cgan-digits-endpoint.json"


@pytest.fixture(scope="module")
def stored():
    """A stored result: three loads, three windows each."""
    return read_result(STORED)


def changed(result, speed, *, at=(), **changes):
    """The same at another speed under some loads, by number; all if none are given."""
    points = []
    for number, point in enumerate(result.points):
        share = speed if not at or number in at else 1.0
        windows = tuple(
            window.model_copy(update={"seconds": window.seconds / share}) for window in point.windows
        )
        points.append(point.model_copy(update={"windows": windows}))
    return result.model_copy(update={"points": tuple(points), **changes})


def in_turns(result, speed, count=FEWEST_PAIRS):
    """Runs of A and B in turns, B at another speed."""
    times = [f"2026-01-01T00:00:{second:02}+00:00" for second in range(2 * count)]
    first = [result.model_copy(update={"measured_at": time}) for time in times[::2]]
    return first, [changed(result, speed, measured_at=time) for time in times[1::2]]


def test_windows_are_pairs_of_single_runs_and_all_loads_decide_together(stored):
    change = change_of([stored], [changed(stored, 1 / 1.15)])
    assert (change.unit, change.overall.pairs, change.verdict) == ("windows", 9, "slower")
    assert change.overall.ratio == pytest.approx(1 / 1.15)
    assert {load.verdict for load in change.loads} == {"not decided"}  # three pairs each
    assert any("not measured in turns" in remark for remark in change.remarks)
    assert change_of([stored], [stored]).verdict == "same"


def test_runs_in_turns_are_pairs_and_need_no_remark(stored):
    change = change_of(*in_turns(stored, 1 / 1.15))
    assert (change.unit, change.overall.pairs, change.verdict) == ("runs", 3 * FEWEST_PAIRS, "slower")
    assert {load.verdict for load in change.loads} == {"slower"}
    assert change.remarks == ()
    assert change_of(*in_turns(stored, 1.0)).verdict == "same"
    assert change_of(*in_turns(stored, 1.2)).verdict == "faster"


def test_one_slow_load_is_not_hidden_by_the_others(stored):
    first, second = in_turns(stored, 1.0)
    second = [changed(run, 0.9, at=(1,)) for run in second]
    change = change_of(first, second)
    assert change.overall.verdict == "same"
    assert change.verdict == "slower"
    assert "B is slower at concurrency 8, batch 1: its speed is 0.900" in change.sentence


def test_a_side_that_does_not_count_makes_no_verdict(stored):
    points = (stored.points[0].model_copy(update={"failed_share": 0.03}), *stored.points[1:])
    wrong = changed(stored, 1.0).model_copy(update={"points": points})
    for sides, name in (((stored, wrong), "B"), ((wrong, stored), "A")):
        change = change_of([sides[0]], [sides[1]])
        assert change.verdict == "invalid"
        assert f"{name} does not count: 3.0% of the requests failed" in change.sentence


def test_open_loops_are_compared_by_latency(stored):
    point = stored.points[0].model_copy(update={"offered_rate": 1.0})
    slow = point.model_copy(
        update={
            "windows": tuple(
                window.model_copy(
                    update={
                        "latency": window.latency.model_copy(
                            update={
                                "p50": window.latency.p50.model_copy(
                                    update={"value_ms": 2 * window.latency.p50_ms}
                                )
                            }
                        )
                    }
                )
                for window in point.windows
            )
        }
    )
    (load,) = change_of(*([stored.model_copy(update={"points": (one,)})] for one in (point, slow))).loads
    assert load.measure == "p50 ms"
    assert load.effect.ratio == pytest.approx(0.5)


def test_what_differs_beside_the_speed_is_said(stored):
    machine = stored.machine.model_copy(update={"processor": "another", "versions": {"numpy": "1.26"}})
    other = stored.model_copy(update={"machine": machine, "precision": "int8", "points": stored.points[:2]})
    remarks = " ".join(change_of([stored], [other]).remarks)
    for words in (
        "different machines",
        f"precision: {stored.precision} and int8",
        f"numpy {stored.machine.versions['numpy']} and 1.26",
        "Only one side has",
    ):
        assert words in remarks


def test_table_has_a_row_for_each_load(stored):
    headings, rows = rows_of(change_of([stored], [stored]))
    assert len(rows) == len(stored.points)
    assert all(len(row) == len(headings) for row in rows)


def test_sides_without_a_common_load_or_of_several_targets_are_refused(stored):
    other = stored.model_copy(update={"points": stored.points[:1]})
    rest = stored.model_copy(update={"points": stored.points[1:]})
    with pytest.raises(UsageError, match="measure both at the same load"):
        change_of([other], [rest])
    with pytest.raises(UsageError, match="different targets: another, grpc"):
        change_of([stored, stored.model_copy(update={"target": "another"})], [stored])


def test_results_are_found_in_a_file_a_folder_and_a_folder_of_runs(stored, tmp_path):
    assert read_runs(STORED) == (stored,)
    for name, time in (("later", "2026-02-01"), ("earlier", "2026-01-01")):
        (tmp_path / name).mkdir()
        text = stored.model_copy(update={"measured_at": time}).model_dump_json()
        (tmp_path / name / "bench.json").write_text(text)
    assert len(read_runs(tmp_path / "later")) == 1
    assert [run.measured_at for run in read_runs(tmp_path)] == ["2026-01-01", "2026-02-01"]
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(SchemaError, match="not a document of litho"):
        read_runs(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"has no result of 'litho bench'; give a bench\.json"):
        read_runs(tmp_path / "empty")
    with pytest.raises(UsageError, match=r"there is no '.*absent'; give a bench\.json"):
        read_runs(tmp_path / "absent")
