from pathlib import Path

import pytest

from litho.errors import SchemaError
from litho.training.evaluation.document import locate_output, read_evaluation


@pytest.mark.parametrize("content", ['{"schema_version": 1}', '{"schema_version": 99}', "{"])
def test_a_foreign_document_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(SchemaError):
        read_evaluation(tmp_path)


def test_an_evaluation_goes_to_a_folder_or_beside_a_file(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert locate_output(folder) == (folder / "evaluation.html", folder / "evaluation.json")
    for name in ("digits.html", "digits.json"):
        assert locate_output(tmp_path / name) == (tmp_path / "digits.html", tmp_path / "digits.json")
