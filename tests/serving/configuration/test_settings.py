from typing import Any

import pytest

from litho.errors import UsageError
from litho.serving.configuration.settings import ServingSettings

from ..described import a_manifest, config_of, engine


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_batch_size": 65}, "at most 64"),
        ({"max_batch_size": 0}, "allowed is 1 or more"),
        ({"max_batch_size": -3}, "allowed is 1 or more"),
        ({"preferred_batch_sizes": (128,)}, "larger than the largest batch, 64"),
        ({"preferred_batch_sizes": (0,)}, "allowed is 1 or more"),
        ({"instance_count": 0}, "instance_count was given 0"),
        ({"max_queue_size": -1}, "max_queue_size was given -1"),
        ({"queue_timeout_microseconds": 0}, "queue_timeout_microseconds was given 0"),
        ({"max_queue_delay_microseconds": -1}, "allowed is 0 or more"),
        ({"max_queue_delay_microseconds": 2**31}, "allowed is at most 2147483647"),
        ({"instance_count": 2**64}, "allowed is at most 2147483647"),
        ({"priority_levels": -1}, "priority_levels was given -1"),
        ({"priority_levels": 2, "default_priority": 3}, "allowed is 1 to priority_levels, 2"),
        ({"priority_levels": 2, "preserve_ordering": True}, "leave one out"),
        ({"threads": 0}, "threads was given 0"),
        ({"gpus": (0,)}, "gpus was given with device 'cpu'"),
        ({"device": "cuda", "gpus": (-1,)}, "the number of a GPU was given -1"),
        ({"device": "tpu"}, "device was given 'tpu'"),
        ({"tensorrt": True}, "it needs device 'cuda'"),
        ({"cuda_graphs": True}, "it needs device 'cuda'"),
        ({"batching": "some"}, "allowed are 'whole' and 'in-flight'"),
        ({"live_rows": 4}, "live_rows was given without batching 'in-flight'"),
        ({"batching": "in-flight", "response_cache": True}, "Triton caches no streamed answers"),
    ],
)
def test_settings_beyond_their_range_are_refused_with_what_is_allowed(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        config_of(a_manifest(), **settings)
    assert "\n" not in str(refused.value)


def test_all_complaints_about_unchecked_settings_are_listed() -> None:
    settings = ServingSettings.unchecked({"threads": 0, "priority_levels": -1, "gpus": (1,)})
    assert settings.complaints() == [
        "threads was given 0; allowed is 1 or more",
        "priority_levels was given -1; allowed is 0 or more",
        "gpus was given with device 'cpu'; it needs device 'cuda'",
    ]
    assert ServingSettings.unchecked({}) == ServingSettings()
    assert ServingSettings().complaints() == []


def test_a_request_without_a_priority_gets_the_middle_one() -> None:
    assert [ServingSettings(priority_levels=levels).priority for levels in (0, 1, 2, 3, 4)] == [0, 1, 1, 2, 2]
    assert ServingSettings(priority_levels=4, default_priority=4).priority == 4


def test_the_smallest_of_the_variants_limits_the_batch() -> None:
    variants = (engine(batches=(1, 8, 64)), engine(batches=(1, 4, 16)))
    assert ServingSettings().batch_limit(variants) == 16
    assert ServingSettings(max_batch_size=2).batch_limit(variants) == 2
