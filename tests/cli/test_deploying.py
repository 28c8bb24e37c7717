import json
import shutil
from pathlib import Path

from .conftest import Command, Complaint


def test_deploy_and_rollback_give_path_and_version_as_json(
    litho_here: Command, bundle: Path, tmp_path: Path
) -> None:
    deploy = ("deploy", bundle, "--to", tmp_path, "--name", "tiny", "--json")
    served = {"variant": "generator.fp32.onnx", "precision": "fp32", "grade": "same picture"}
    served |= {"server": None, "canary": None}
    assert json.loads(litho_here(*deploy).stdout) == {
        "path": str(tmp_path / "tiny"),
        "version": 1,
        **served,
    }
    assert json.loads(litho_here(*deploy, "--flavour", "onnxruntime").stdout)["version"] == 2
    back = json.loads(litho_here("rollback", tmp_path, "tiny", "--json").stdout)
    assert back == {"path": str(tmp_path / "tiny"), "version": 1, **served}


def test_a_weaker_grade_is_asked_for_in_one_word_and_said(
    litho_here: Command, bundle: Path, tmp_path: Path
) -> None:
    weak = tmp_path / "weak"
    shutil.copytree(bundle, weak)
    document = json.loads((weak / "manifest.json").read_text())
    document["variants"][0]["grade"] = "same distribution"
    (weak / "manifest.json").write_text(json.dumps(document))
    shown = litho_here("inspect", weak).stdout
    assert "promises" in shown
    assert "same distribution" in shown
    deploy = ("deploy", weak, "--to", tmp_path / "models")
    refused = litho_here(*deploy)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.endswith("ask for it with --grade same-distribution")
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").iterdir())
    served = litho_here(*deploy, "--grade", "same-distribution")
    name = json.loads((weak / "manifest.json").read_text())["name"]
    described = "generator.fp32.onnx in fp32, which promises the same distribution"
    model = tmp_path / "models" / name
    start = f"{model} serves version 1 from the next start, as no server was found"
    assert served.stdout.strip() == f"{start}: {described}"
    assert litho_here(*deploy, "--grade", "close-enough").returncode == 2
    verified = litho_here("verify", weak, "--json")
    assert json.loads(verified.stdout)[0]["grade"] == "same distribution"


def test_what_cannot_be_deployed_leaves_nothing(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    refused = litho_here("deploy", bundle, "--to", "models", "--name", "no spaces", cwd=tmp_path)
    assert "model name 'no spaces' is not allowed" in error_of(refused)
    assert not (tmp_path / "models").exists()


def test_a_file_is_no_model_repository(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").touch()
    refused = litho_here("deploy", bundle, "--to", "models", cwd=tmp_path)
    assert "--to was given 'models', but models is not a folder" in error_of(refused)


def test_a_check_refuses_numbers_that_a_deployment_would(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    for option, value in (("--canary", "nan"), ("--keep", "0")):
        done = litho_here("deploy", bundle, "--to", tmp_path / "models", "--check", option, value)
        assert done.returncode == 2
        assert f"{option} was given {value}; allowed" in error_of(done)
    assert not (tmp_path / "models").exists()
