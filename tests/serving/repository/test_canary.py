"""A candidate is read from its configuration, and nothing else has its place."""

from pathlib import Path

import pytest

from litho.errors import DeployError
from litho.serving.repository.canary import Canary, canary_of

CONFIG = """
name: "tiny-canary"
version_policy { specific { versions: 3 } }
parameters { key: "litho_canary_of" value { string_value: "tiny" } }
"""
SHARE = 'parameters { key: "litho_canary_share" value { string_value: "0.25" } }'


def test_a_candidate_has_a_version_and_perhaps_a_share(tmp_path: Path) -> None:
    model, path = tmp_path / "tiny", tmp_path / "tiny-canary"
    assert canary_of(model) is None
    path.mkdir()
    for text, share in ((CONFIG, None), (CONFIG + SHARE, 0.25)):
        (path / "config.pbtxt").write_text(text)
        assert canary_of(model) == Canary(path, 3, share)
    assert Canary(path, 3, None).files == path / "3"


@pytest.mark.parametrize(
    "text",
    [None, "", "nonsense {", CONFIG.replace('"tiny"', '"other"'), CONFIG + SHARE.replace("0.25", "much")],
)
def test_something_else_in_its_place_is_named(text: str | None, tmp_path: Path) -> None:
    (tmp_path / "tiny-canary").mkdir()
    if text is not None:
        (tmp_path / "tiny-canary/config.pbtxt").write_text(text)
    with pytest.raises(DeployError, match="tiny-canary is in the way"):
        canary_of(tmp_path / "tiny")
