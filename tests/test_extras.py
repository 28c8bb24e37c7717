import sys
from pathlib import Path

import pytest

from litho.errors import MissingExtra
from litho.extras import missing, require


def test_an_installed_module_is_imported() -> None:
    assert require("json", "train") is sys.modules["json"]


@pytest.mark.parametrize("module", ["absent_package", "absent_package.inner"])
def test_a_missing_package_is_named_with_its_extra(module: str) -> None:
    with pytest.raises(
        MissingExtra, match=r"'absent_package' is not installed; .*pip install 'litho\[text\]'"
    ):
        require(module, "text")


def test_a_package_that_lacks_a_dependency_is_a_broken_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import absent_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_dependency"):
        require("broken_package", "train")


def test_a_failed_import_is_known_by_the_package_that_lacks() -> None:
    error = missing(ModuleNotFoundError("No module named 'onnx.checker'", name="onnx.checker"))
    assert error is not None
    assert "pip install 'litho[export]'" in str(error)
    assert missing(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
    assert missing(ModuleNotFoundError("no name")) is None
