from pathlib import Path

import pytest

from litho.benchmarks.faults.serving import Serving
from litho.errors import LithoError


def test_what_is_left_is_named(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "tiny").mkdir(parents=True)
    serving = Serving(repository, tmp_path)
    assert serving.left() == []
    (repository / "tiny-canary").mkdir()
    (repository / "tiny" / "__pycache__").mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "server.log").touch()
    assert serving.left() == ["temporary file server.log", "in the repository: tiny-canary"]


@pytest.mark.slow
def test_a_command_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(LithoError, match=r"did not start: litho: error: .*nowhere"),
        Serving(tmp_path / "nowhere", tmp_path),
    ):
        pass
