"""YAML and JSON that nobody vouches for; what is answered to hostile files is in `test_signature_file.py`."""

import time
from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.export.user_module.documents import read_yaml_or_json


def test_yaml_and_json_give_plain_values(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1, 2.5, {b: yes}]\nc: null\n7: x\n")
    assert read_yaml_or_json(tmp_path / "a.yaml") == {"a": [1, 2.5, {"b": True}], "c": None, 7: "x"}
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, {"b": true}], "c": null}')
    assert read_yaml_or_json(tmp_path / "a.json") == {"a": [1, 2.5, {"b": True}], "c": None}


def test_a_document_that_multiplies_itself_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    start = time.process_time()
    with pytest.raises(UsageError, match="'a0' is an anchor or alias; write the values out"):
        read_yaml_or_json(tmp_path / "bomb.yaml")
    assert time.process_time() - start < 2
