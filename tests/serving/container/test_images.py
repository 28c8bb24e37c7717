"""Images of Triton: which may serve a repository, and the build context of the one with litho in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import litho
from litho.errors import DeployError, UsageError
from litho.files import write_bytes
from litho.serving.container.images import (
    IMAGE,
    TENSORRT,
    ServedModelFiles,
    check_image,
    dockerfile,
    own_image,
    requirements,
    served,
    write_context,
)
from litho.serving.repository.deploy import deploy
from litho.serving.server.environment import find, install


def write_model(root: Path, name: str, config: str) -> None:
    write_bytes(root / name / "config.pbtxt", f"version_policy {{ specific {{ versions: 1 }} }} {config}")
    write_bytes(root / name / "1" / "model.plan", b"engine")


@pytest.fixture
def engine(tmp_path: Path) -> tuple[ServedModelFiles, ...]:
    """A repository with an engine of TensorRT 11.2.1."""
    parameter = 'parameters { key: "litho_tensorrt" value { string_value: "11.2.1.2" } }'
    write_model(tmp_path, "m", f'platform: "tensorrt_plan" {parameter}')
    return served(tmp_path)


def test_the_image_is_nvidias_newest_known() -> None:
    assert f"nvcr.io/nvidia/tritonserver:{max(TENSORRT)}-py3" == IMAGE
    assert min(TENSORRT) == "26.07"


@pytest.mark.parametrize("image", ["nvcr.io/nvidia/tritonserver:26.08-py3", "mine:26.08"])
def test_an_image_with_the_engines_tensorrt_is_taken(
    engine: tuple[ServedModelFiles, ...], image: str
) -> None:
    check_image(image, engine)
    check_image("mine:latest", engine, tensorrt="11.2.1.2")


@pytest.mark.parametrize(
    ("image", "tensorrt", "message"),
    [
        (IMAGE, None, r"engine of TensorRT 11\.2\.1\.2, and .* holds 11\.3\.0; use --image \S+:26\.08-py3"),
        ("mine:26.08", "11.1.0.106", r"holds 11\.1\.0\.106"),
        (
            "nvcr.io/nvidia/tritonserver:26.12-py3",
            None,
            r"it is not known which .*26\.12.* holds.*--tensorrt VERSION",
        ),
        ("mine:latest", None, r"has no release such as 26\.09 in its tag"),
        (
            "nvcr.io/nvidia/tritonserver:24.10-py3",
            None,
            r"lacks security fixes.*allowed are releases from 26\.07 on",
        ),
    ],
)
def test_other_images_are_refused(
    engine: tuple[ServedModelFiles, ...], image: str, tensorrt: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        check_image(image, engine, tensorrt)
    assert "\n" not in str(refused.value)


def test_an_engine_that_does_not_say_its_tensorrt_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, "m", 'platform: "tensorrt_plan"')
    with pytest.raises(UsageError, match="does not say which TensorRT its engine needs; deploy it again"):
        check_image(IMAGE, served(tmp_path))


def test_a_graph_runs_in_any_current_image(tmp_path: Path) -> None:
    write_model(tmp_path, "m", 'backend: "onnxruntime"')
    check_image("nvcr.io/nvidia/tritonserver:26.12-py3", served(tmp_path))
    assert own_image(IMAGE, served(tmp_path)) is None


def test_a_repository_that_litho_did_not_write_is_refused(tmp_path: Path) -> None:
    write_bytes(tmp_path / "m" / "config.pbtxt", "name: 'm'")
    with pytest.raises(DeployError, match="was not deployed by litho"):
        served(tmp_path)
    write_bytes(tmp_path / "m" / "config.pbtxt", "version_policy { specific { versions: 1 } }")
    with pytest.raises(DeployError, match=r"m/1, which .* serves, is missing"):
        served(tmp_path)


def test_the_requirements_are_the_servers_without_triton_and_numpy() -> None:
    lines = requirements(())
    assert re.search(r"^onnxruntime==", lines, re.MULTILINE)
    assert not re.search(r"^(numpy|nvidia-pytriton)==", lines, re.MULTILINE)


def test_the_dockerfile_passes_hadolint(tmp_path: Path) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program is not None
    (tmp_path / "Dockerfile").write_text(dockerfile(IMAGE))
    done = subprocess.run([program, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert dockerfile(IMAGE).count("\nUSER 1000:1000\n") == 1, "it does not run as root"


def test_the_dockerfile_of_litho_alone_passes_hadolint() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program is not None
    file = Path(litho.__file__).parent / "deploy" / "images" / "litho" / "Dockerfile"
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "\nUSER 10001:10001\n" in file.read_text(), "the user of the chart's pods"


@pytest.mark.slow
def test_litho_of_the_context_runs_with_its_requirements(bundle: Path, tmp_path: Path) -> None:
    deploy(bundle, to=tmp_path / "models", name="tiny")
    models = served(tmp_path / "models")
    assert own_image(IMAGE, models) is not None
    write_context(tmp_path / "context", IMAGE, models)
    assert {path.name for path in (tmp_path / "context").iterdir()} == {
        "Dockerfile",
        "litho",
        "requirements.txt",
    }
    assert (tmp_path / "context" / "litho" / "serving" / "backend" / "model.py").is_file()
    assert not (tmp_path / "context" / "litho" / "tests").exists()
    install()
    # The embedded server's environment holds the same packages, and the same NumPy as older images.
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "context")!r})
from litho.serving.backend import instance
from litho.bundle import Bundle
from litho.runners import open_runner
assert instance.__file__.startswith({str(tmp_path / "context")!r})
with open_runner(Bundle.load({str(models[0].directory / "bundle")!r})) as runner:
    print(runner.generate(seed=7, label=3).shape)
"""
    python = find().root / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(1, ")
