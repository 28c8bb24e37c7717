"""Names lead to folders, paths to splits, cards to licences."""

from pathlib import Path, PurePath

import pytest

from litho.training.data.paths import find, licence_of, local_names, split_of


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of LITHO_DATA, with a set in it; the working directory is another one."""
    (tmp_path / "here").mkdir()
    for name in ("mnist", "cats"):
        (tmp_path / "shelf" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LITHO_DATA", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def test_a_name_is_a_path_first_and_then_what_lies_in_the_data_folder(shelf: Path) -> None:
    assert find("cats") == shelf / "cats"
    Path("cats").mkdir()
    assert find("cats") == Path("cats")
    assert find(str(shelf / "cats")) == shelf / "cats"
    assert find("dogs") is None
    assert local_names() == ("cats", "mnist")


@pytest.mark.parametrize("hub_id", ["rasbt/mnist-pngs", "ylecun/mnist"])
def test_a_known_set_of_the_hub_is_found_under_its_short_name(shelf: Path, hub_id: str) -> None:
    assert find(hub_id) == shelf / "mnist"


def test_another_owners_set_of_the_same_name_is_not_taken_for_it(shelf: Path) -> None:
    assert find("somebody/mnist") is None


def test_a_name_does_not_climb_out_of_the_data_folder(shelf: Path) -> None:
    assert find("cats/../../shelf") is None


def test_without_the_variable_nothing_is_found_by_name(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITHO_DATA")
    assert find("mnist") is None
    assert local_names() == ()


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.parquet", "train"),
        ("train-00000-of-00002.parquet", "train"),
        ("data/test-00000-of-00001-abc.parquet", "test"),
        ("default/train/0000.parquet", "train"),
        ("default/partial-train/0000.parquet", "train"),
        ("default/validation/0000.parquet", "validation"),
        ("train-test/test.parquet", "test"),
        ("pictures.parquet", None),
        ("trained/contest.parquet", None),
    ],
)
def test_the_split_is_read_from_words_that_stand_alone(path: str, split: str | None) -> None:
    assert split_of(PurePath(path)) == split


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\ntags: [a]\n---\n# Cats\n", "mit"),
        ("---\ntags: [a]\nlicense:\n- cc-by-4.0\n---\n", "cc-by-4.0"),
        ("---\nlicense: 'apache-2.0'\n---\n", "apache-2.0"),
        ("# Cats\nlicense: mit\n", "unknown"),
        ("---\ntags: [a]\n---\nlicense: mit\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_is_the_cards(tmp_path: Path, card: str | None, licence: str) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path, "cats") == licence


def test_a_known_set_has_its_licence_without_a_card(tmp_path: Path) -> None:
    assert licence_of(tmp_path, "emoji") == "Apache-2.0"
    assert licence_of(tmp_path, "zalando-datasets/fashion_mnist") == "MIT"
