"""A file of settings gives back what was written, and a wrong one is refused with what is wrong."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from litho.errors import UsageError
from litho.serving.configuration.settings import ServingSettings
from litho.serving.configuration.settings_file import read_settings, write_settings

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "max_batch_size": st.none() | st.integers(1, 64),
        "preferred_batch_sizes": st.lists(st.integers(1, 64), max_size=3).map(tuple),
        "max_queue_delay_microseconds": st.integers(0, 10**6),
        "instance_count": st.integers(1, 8),
        "device": st.sampled_from(["cpu", "cuda"]),
        "warm_up": st.booleans(),
        "batching": st.sampled_from(["whole", "in-flight"]),
    },
)


@given(values=SETTINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_was_written_is_read(values: dict[str, Any], tmp_path: Path) -> None:
    write_settings(tmp_path / "settings.json", values)
    assert read_settings(tmp_path / "settings.json") == values


def test_every_setting_can_be_written(tmp_path: Path) -> None:
    usual = asdict(ServingSettings())
    write_settings(tmp_path / "settings.json", usual)
    assert ServingSettings(**read_settings(tmp_path / "settings.json")) == ServingSettings()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a file of settings"),
        ("[]", 'expected {"schema_version": 1, "settings"'),
        ({"settings": {}}, "is not a file of settings"),
        ({"schema_version": 2, "settings": {}}, "has schema version 2"),
        ({"schema_version": 1, "settings": []}, "this litho reads"),
        ({"schema_version": 1, "settings": {"thread": 2}}, "did you mean 'threads'"),
        ({"schema_version": 1, "settings": {"threads": "2"}}, "threads was given '2'"),
        ({"schema_version": 1, "settings": {"threads": 0}}, "threads was given 0; allowed is 1 or more"),
        ({"schema_version": 1, "settings": {"live_rows": 4}}, "without batching 'in-flight'"),
    ],
)
def test_a_wrong_file_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UsageError) as refused:
        read_settings(path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_settings(tmp_path / "none.json")
