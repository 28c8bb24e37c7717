"""A result is read as it was written."""

from pathlib import Path

import pytest

from litho.benchmarks.tuning.documents import RESULT_NAME, read_tuning
from litho.errors import SchemaError

from .results import a_result, a_round, confirmed


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    result = a_result(winner=0, confirmation=confirmed([1.3] * 9))
    (tmp_path / RESULT_NAME).write_text(result.model_dump_json())
    assert read_tuning(tmp_path / RESULT_NAME).model_dump_json() == result.model_dump_json()


def test_a_newer_result_is_refused(tmp_path: Path) -> None:
    text = a_result().model_dump_json().replace('"schema_version":1', '"schema_version":2')
    (tmp_path / RESULT_NAME).write_text(text)
    with pytest.raises(SchemaError, match="schema version 2"):
        read_tuning(tmp_path / RESULT_NAME)


def test_only_a_confirmed_gain_is_an_improvement() -> None:
    assert not a_result().improved
    assert not a_result(winner=0, confirmation=confirmed([1.01] * 9)).improved
    assert a_result(winner=0, confirmation=confirmed([1.3] * 9)).improved
    assert a_round(2).candidate.images_per_second == 2 * a_round(2).default.images_per_second
