from pathlib import Path

import pytest

from litho.cli.paths import require, require_file
from litho.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "content", "verb"),
    [
        ("bundle", "manifest.json", "export"),
        ("finished run", "snapshot.json", "train"),
        ("model repository", "digits/config.pbtxt", "deploy"),
    ],
)
def test_a_folder_is_known_by_what_it_holds(tmp_path: Path, kind: str, content: str, verb: str) -> None:
    with pytest.raises(UsageError, match=f"no {kind} at .* made by 'litho {verb}'$"):
        require(kind, tmp_path)
    (tmp_path / content).parent.mkdir(exist_ok=True)
    (tmp_path / content).touch()
    require(kind, tmp_path)
    with pytest.raises(UsageError, match=f"no {kind} at"):
        require(kind, tmp_path / content)


def test_a_folder_is_no_file_and_an_option_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    require_file(tmp_path / "weights.pt", "--weights", "a file of weights")
    require_file(None, "--weights", "a file of weights")
    with pytest.raises(UsageError, match=r"--weights was given .* not a file; expected a file of weights"):
        require_file(tmp_path, "--weights", "a file of weights")
