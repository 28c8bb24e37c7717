"""What is checked beside the rules: names, files, and every form of a model in a repository."""

from pathlib import Path

from litho.serving.configuration.checks import check_config, check_files, check_model

from .tiny import GOOD, LABEL, WARM, changed


def test_all_rules_that_are_broken_are_listed() -> None:
    found = check_config(changed("", "dynamic_batching { preferred_batch_size: [9, 10] priority_levels: 2 }"))
    assert [violation.rule for violation in found] == ["preferred-batch", "preferred-batch", "priority"]


def test_files_and_names_that_a_configuration_needs_are_looked_for() -> None:
    config = changed("", f"{WARM} {LABEL} }}".replace("zero_data: true", "input_data_file: '1/label'"))
    config.default_model_filename = "model.onnx"
    files = dict.fromkeys(("config.pbtxt", "1/model.onnx", "warmup/1/label"))
    assert check_files("tiny", config, files) == []
    for name, missing, words in (
        ("tiny2", "", "'tiny', its directory is 'tiny2'"),
        ("tiny", "1/model.onnx", "there is no version directory"),
        ("tiny", "warmup/1/label", "reads warmup/1/label, which is missing"),
    ):
        left = {path: None for path in files if path != missing}
        messages = [violation.message for violation in check_files(name, config, left)]
        assert any(words in message for message in messages), messages
    moved = {path.replace("1/model", "2/model"): None for path in files}
    assert "there is no directory 1/" in check_files("tiny", config, moved)[0].message
    other = {path.replace("model.onnx", "other.onnx"): None for path in files}
    assert "which a version directory does not have" in check_files("tiny", config, other)[0].message


def test_a_model_in_a_repository_is_checked_with_its_further_forms(tmp_path: Path) -> None:
    (tmp_path / "tiny" / "1").mkdir(parents=True)
    (tmp_path / "tiny" / "1" / "model").touch()
    (tmp_path / "tiny" / "configs").mkdir()
    (tmp_path / "tiny" / "config.pbtxt").write_text(GOOD)
    assert check_model(tmp_path / "tiny") == []
    both = GOOD + "sequence_batching { }"
    (tmp_path / "tiny" / "configs" / "sm86.pbtxt").write_text(both)
    (found,) = check_model(tmp_path / "tiny")
    assert found.rule == "text"
    assert "configs/sm86.pbtxt is no configuration" in found.message
