import json
from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.mlperf.logs import ACCURACY_LOG, SUMMARY_LOG, logged_pictures, read_summary
from litho.errors import EvaluationError

VALID = """================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 298.78
Result is : VALID
  Performance constraints satisfied : Yes
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Early Stopping Result:
 * Run successful.

================================================
Additional Stats
================================================
Scheduled samples per second : 298.86
Min latency (ns)                : 600662
50.00 percentile latency (ns)   : 705008
99.00 percentile latency (ns)   : 4691479
99.90 percentile latency (ns)   : 5604316

================================================
Test Parameters Used
================================================
samples_per_query : 1
target_latency (ns): 15000000
qsl_rng_seed : 3066443479025735752

No warnings encountered during test.

No errors encountered during test.
"""
INVALID = (
    VALID.replace("Result is : VALID", "Result is : INVALID")
    .replace("Performance constraints satisfied : Yes", "Performance constraints satisfied : NO")
    .replace(
        "Early Stopping Result",
        "Recommendations:\n * Reduce target QPS to improve latency.\nEarly Stopping Result",
    )
)


def write(folder: Path, text: str) -> Path:
    (folder / SUMMARY_LOG).write_text(text)
    return folder


def test_a_valid_run_is_read(tmp_path: Path) -> None:
    summary = read_summary(write(tmp_path, VALID))
    assert summary.valid
    assert summary.reason == ""
    assert summary.figures["Completed samples per second"] == 298.78
    assert summary.percentiles_ms == pytest.approx({"50.00": 0.705008, "99.00": 4.691479, "99.90": 5.604316})
    assert summary.parameters["samples_per_query"] == 1
    assert summary.parameters["target_latency (ns)"] == 15e6


def test_an_invalid_run_says_why(tmp_path: Path) -> None:
    summary = read_summary(write(tmp_path, INVALID))
    assert not summary.valid
    assert summary.reason.startswith("not satisfied: Performance constraints; Reduce target QPS")


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("No errors encountered", "1 ERROR encountered"),
        ("No errors encountered", "3 ERRORS encountered"),
        ("Min duration satisfied : Yes", "Min duration satisfied : NO"),
    ],
)
def test_nothing_else_in_the_summary_may_contradict_the_verdict(
    said: str, instead: str, tmp_path: Path
) -> None:
    assert not read_summary(write(tmp_path, VALID.replace(said, instead))).valid


@pytest.mark.parametrize("text", ["", VALID.replace("Result is", "Result was"), VALID + VALID, VALID[:700]])
def test_a_summary_without_one_verdict_says_nothing(text: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="run it again"):
        read_summary(write(tmp_path, text))


def test_a_run_without_a_summary_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="left no"):
        read_summary(tmp_path)


def test_pictures_are_read_and_answers_of_another_size_are_none(tmp_path: Path) -> None:
    entries = [
        {"seq_id": 0, "qsl_idx": 7, "data": "00FF10A0"},
        {"seq_id": 1, "qsl_idx": 2, "data": ""},
    ]
    (tmp_path / ACCURACY_LOG).write_text(json.dumps(entries))
    (number, picture), (other, lost) = logged_pictures(tmp_path, (2, 2, 1))
    assert (number, other, lost) == (7, 2, None)
    assert picture is not None
    assert np.array_equal(picture[:, :, 0], [[0, 255], [16, 160]])


@pytest.mark.parametrize("text", ["[", '[{"qsl_idx": 1}]', '[{"qsl_idx": 1, "data": "zz"}]', "{}1"])
def test_a_broken_accuracy_log_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / ACCURACY_LOG).write_text(text)
    with pytest.raises(EvaluationError, match=ACCURACY_LOG):
        logged_pictures(tmp_path, (2, 2, 1))
