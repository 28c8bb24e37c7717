from typing import Any

import pytest

from litho.errors import UsageError
from litho.export.engines import EngineOptions, build_engine
from litho.export.engines.options import profiles

from .conftest import SIGNATURE, graph


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"timing_cache": b"x"}, "keeps no timing cache"),
        ({"version_compatible": True}, "no version- or hardware-compatible engines"),
        ({"hardware_compatible": "ampere-and-later"}, "no version- or hardware-compatible engines"),
    ],
)
def test_what_the_library_has_not_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(**options))


@pytest.mark.parametrize(
    "options",
    [{"profiles": ((0, 1, 2),)}, {"profiles": ((1, 8, 4),)}, {"workspace_bytes": 0}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EngineOptions(**options)


def test_profiles_are_read_from_words() -> None:
    assert profiles(["1,8,64", "1, 1, 1"]) == ((1, 8, 64), (1, 1, 1))
    for word in ("1,8", "a,b,c", "1,8,64,128", ""):
        with pytest.raises(UsageError, match="--profile was given"):
            profiles([word])
