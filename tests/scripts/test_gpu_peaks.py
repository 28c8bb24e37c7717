"""The card itself, with PyTorch alone; here on the processor."""

import json
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")


def test_a_network_is_measured_in_every_form(script: ModuleType) -> None:
    measured = script._dcgan_forms(pytest.importorskip("torch"), "cpu", 0.0, (1, 2))
    assert measured["eager"]["largest_difference"] == 0
    assert 0 < measured["bf16"]["largest_difference"] < 0.2
    assert set(measured["eager"]["images_per_second"]) == {1, 2}


def test_the_command_writes_what_was_measured(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "_dcgan_forms", lambda *_: {})
    file = tmp_path / "peaks.json"
    assert script.main([str(file), "--device", "cpu", "--scale", "0"]) == 0
    measured = json.loads(file.read_text(encoding="utf-8"))
    assert measured["teraflops"].keys() == {"float32", "bfloat16"}
    assert measured["copy_gigabytes_per_second"] > 0
