from pathlib import Path

import pytest

from litho.cli.paths import refuse_others, require, require_file, require_folder
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


def test_an_address_in_place_of_a_folder_is_shown_as_it_was_given() -> None:
    for address in ("grpc://127.0.0.1:8001/digits", "s3://pictures/digits"):
        with pytest.raises(UsageError, match=f"no bundle at '{address}'; expected a folder"):
            require("bundle", Path(address))


def test_a_folder_is_no_file_and_an_option_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    require_file(tmp_path / "weights.pt", "--weights", "a file of weights")
    require_file(None, "--weights", "a file of weights")
    with pytest.raises(UsageError, match=r"--weights was given .* not a file; expected a file of weights"):
        require_file(tmp_path, "--weights", "a file of weights")
    require_folder(tmp_path, "--repository", "a repository")
    with pytest.raises(UsageError, match=r"--repository was given .* not a folder; expected a repository"):
        require_folder(tmp_path / "absent", "--repository", "a repository")


@pytest.mark.parametrize(
    ("kind", "given", "content", "advice"),
    [
        ("bundle", "finished run", "snapshot.json", "litho export .*digits"),
        ("finished run", "bundle", "manifest.json", "give the run that it was made from"),
        ("model repository", "bundle", "manifest.json", "litho deploy .*digits --to model_repository"),
    ],
)
def test_a_folder_of_another_kind_is_named_as_what_it_is(
    tmp_path: Path, kind: str, given: str, content: str, advice: str
) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / content).touch()
    with pytest.raises(UsageError, match=f"is a {given}, not a {kind}; .*{advice}"):
        require(kind, folder)
    with pytest.raises(UsageError, match=f"--to was given .* which is a {given}; give another folder"):
        refuse_others(kind, folder, "--to")
    refuse_others(given, folder, "--to")
    refuse_others(kind, tmp_path / "absent", "--to")
