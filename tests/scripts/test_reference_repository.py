from pathlib import Path
from types import ModuleType

from litho.bundle import Bundle
from litho.serving.configuration.checks import check_config
from litho.serving.configuration.model_config import parse_config, print_config
from litho.serving.repository.deploy import deploy


def test_the_reference_repository_is_what_the_script_writes(script: ModuleType) -> None:
    """Refresh it with `make reference`."""
    root: Path = script.REFERENCE
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert files.pop("README.md")
    assert files == script.reference_files()


def test_every_configuration_of_the_reference_parses_back_and_breaks_no_rule(script: ModuleType) -> None:
    root: Path = script.REFERENCE
    configs = [*root.glob("*/config.pbtxt"), *root.glob("*/configs/*.pbtxt")]
    for path in configs:
        config = parse_config(path.read_text())
        assert print_config(config) == path.read_text()
        assert check_config(config) == [], path
    forms = {path.name.partition("-")[2] for path in root.glob("*/") if path.name.startswith("cgan-")}
    assert forms == {"litho", "litho-cuda", "onnxruntime", "tensorrt"}
    assert {path.name for path in root.glob("flow-*")} == {
        "flow-litho",
        "flow-litho-cuda",
        "flow-litho-in-flight",
    }


def test_the_reference_is_what_deploy_writes_but_for_what_belongs_to_the_bundle(
    script: ModuleType, bundle: Path, tmp_path: Path
) -> None:
    """The weights, the name and the label names belong to the bundle."""
    written = deploy(Bundle.load(bundle), to=tmp_path, name="cgan-litho").path
    reference: Path = script.REFERENCE
    configs = [
        parse_config(path.read_text())
        for path in (written / "config.pbtxt", reference / "cgan-litho" / "config.pbtxt")
    ]
    for config in configs:
        config.parameters.clear()
    assert configs[0] == configs[1]
