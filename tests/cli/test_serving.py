import json
from pathlib import Path

from .conftest import Command


def test_deploy_and_rollback_give_path_and_version_as_json(
    litho_here: Command, bundle: Path, tmp_path: Path
) -> None:
    deploy = ("deploy", bundle, "--to", tmp_path, "--name", "tiny", "--json")
    assert json.loads(litho_here(*deploy).stdout) == {
        "path": str(tmp_path / "tiny"),
        "version": 1,
        "grade": "same picture",
    }
    assert json.loads(litho_here(*deploy, "--flavour", "onnxruntime").stdout)["version"] == 2
    back = json.loads(litho_here("rollback", tmp_path, "tiny", "--json").stdout)
    assert back == {"path": str(tmp_path / "tiny"), "version": 1, "grade": "same picture"}
