from pathlib import Path

import platformdirs
import pytest

from litho.errors import UsageError
from litho.training.cache import cache_folder, writable_cache


def test_the_cache_is_the_users_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path))
    assert cache_folder("nets") == writable_cache("nets") == tmp_path / "nets"
    monkeypatch.delenv("LITHO_CACHE")
    assert cache_folder("nets") == platformdirs.user_cache_path("litho") / "nets"


def test_a_cache_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"^LITHO_CACHE was given .*/nets', but .*/file is not a folder"):
        writable_cache("nets")
    monkeypatch.delenv("LITHO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        UsageError, match=r"^no LITHO_CACHE: the default was given .*, but .*/file is not a folder"
    ):
        writable_cache("nets")
