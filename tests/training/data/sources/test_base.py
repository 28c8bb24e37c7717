"""A name leads to one source, or to an error that says what there is."""

from pathlib import Path

import pytest

from litho.errors import UnknownName, UsageError
from litho.training.data.sources import find_source, load, source_names


def test_every_source_is_known_by_its_names() -> None:
    assert source_names() == ("digits", "shapes", "shapes-pairs", "stacked-mnist")
    for name in source_names():
        assert name in find_source(name).names


def test_a_folder_called_like_a_source_is_meant_by_its_path() -> None:
    Path("digits").mkdir()
    assert find_source("digits") is not find_source("./digits")


@pytest.mark.parametrize("name", ["./gone", "/gone/away", "~/gone", "gone.parquet", "a/b/c/d", "../mnist"])
def test_a_path_that_leads_nowhere_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="is not a file or folder, here or in the folder of LITHO_DATA"):
        load(name)


def test_a_file_of_another_kind_is_refused() -> None:
    Path("pictures.zip").write_bytes(b"PK")
    with pytest.raises(
        UsageError, match=r"'pictures.zip' is a file; expected a .parquet or .tar file, or a folder"
    ):
        load("pictures.zip")


def test_an_unknown_name_is_answered_with_all_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shelf" / "kittens").mkdir(parents=True)
    monkeypatch.setenv("LITHO_DATA", str(tmp_path / "shelf"))
    with pytest.raises(UnknownName, match=r"unknown data 'kitten'; did you mean 'kittens'\?") as caught:
        load("kitten")
    assert caught.value.known == tuple(sorted({*source_names(), "kittens", "mnist", "fashion_mnist"}))
    assert "or give the path of a folder, .parquet or .tar file, or OWNER/NAME" in str(caught.value)
