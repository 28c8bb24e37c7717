"""The container's command and compose file: narrow rights, sizes from the models, and what linters say of them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from litho.errors import LithoError, UsageError
from litho.files import write_bytes
from litho.serving.container.command import Container, ContainerSettings
from litho.serving.container.images import served

from ...signers import make_keys

SCHEMA = jsonschema.Draft7Validator(
    json.loads((Path(__file__).with_name("compose") / "compose-spec.json").read_text())
)
MIB = 1 << 20
CONFIG = """
version_policy { specific { versions: 1 } }
max_batch_size: 32
input { name: "source" data_type: TYPE_UINT8 dims: [256, 256, 3] }
output { name: "image" data_type: TYPE_UINT8 dims: [512, 512, 3] }
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write_repository(
        tmp_path / "models", 'backend: "litho" instance_group { count: 2 kind: KIND_CPU }'
    )


def write_repository(root: Path, extra: str) -> Path:
    write_bytes(root / "m" / "config.pbtxt", CONFIG + extra)
    write_bytes(root / "m" / "1" / "bundle" / "graph.onnx", b"x" * MIB)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    root.parent.chmod(0o755)
    return root


def container(repository: Path, **settings: Any) -> Container:
    return Container(repository, served(repository), ContainerSettings(**settings))


def options(words: list[str]) -> dict[str, list[str]]:
    """Option -> its values, of a command whose options may be repeated."""
    found: dict[str, list[str]] = {}
    for index, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            following = words[index + 1] if index + 1 < len(words) and not equals else value
            found.setdefault(name, []).append("" if following.startswith("--") else following)
    return found


def test_the_command_has_narrow_rights(repository: Path) -> None:
    words = container(repository).command()
    given = options(words)
    assert words[:2] == ["docker", "run"]
    assert given["--user"] == [f"{os.getuid() or 1000}:{os.getuid() or 1000}"]
    assert given["--cap-drop"] == ["ALL"]
    assert given["--security-opt"] == ["no-new-privileges"]
    assert given["--read-only"] == [""]
    assert given["--publish"] == ["127.0.0.1:8001:8001"], "gRPC alone, on loopback"
    assert given["--mount"] == [f"type=bind,source={repository},target=/models,readonly"]
    assert given["--memory"] == given["--memory-swap"]
    assert int(given["--pids-limit"][0]) > 0
    assert not {"--privileged", "--network", "--ipc", "--volume", "--gpus"} & set(given)
    assert given["--model-control-mode"] == ["explicit"]
    assert given["--strict-readiness"] == ["true"]
    assert given["--http-restricted-api"][0].startswith("model-repository,shared-memory,trace,logging:")


def test_the_script_is_the_command(repository: Path, tmp_path: Path) -> None:
    box = container(repository)
    build, run = box.script(tmp_path / "with space").split("\n", 1)
    assert shlex.split(build) == [
        "docker",
        "build",
        "--pull",
        "--tag",
        box.image,
        str(tmp_path / "with space"),
    ]
    said = shlex.split(run.replace("\\\n", " "))
    assert [word.split(":litho-restricted=")[0] for word in said] == [
        word.split(":litho-restricted=")[0] for word in box.command()
    ]


def test_sizes_follow_from_the_models(repository: Path) -> None:
    box = container(repository)
    batch = 32 * (256 * 256 * 3 + 512 * 512 * 3)
    assert 2 * 2 * batch <= box.shared_memory_bytes <= 2 * 2 * batch + 128 * MIB
    assert box.shared_memory_bytes % MIB == 0
    assert box.memory_bytes > box.shared_memory_bytes + 1024 * MIB
    assert container(repository, memory_bytes=5 * MIB).memory_bytes == 5 * MIB
    assert 32 * 256 * 256 * 3 * 4 < box.request_bytes < 256 * MIB, "a batch of images in JSON fits"


def test_what_other_machines_reach_cannot_load_models(repository: Path) -> None:
    given = options(container(repository, host="10.0.0.1", metrics_port=9000).command())
    assert given["--publish"] == ["10.0.0.1:8001:8001", "10.0.0.1:9000:8002"]
    assert given["--model-control-mode"] == ["none"]
    (restricted,) = given["--grpc-restricted-protocol"]
    apis, key = restricted.split(":litho-restricted=")
    assert {"model-repository", "shared-memory"} <= set(apis.split(","))
    assert len(key) == 32
    again = options(container(repository, host="10.0.0.1").command())["--grpc-restricted-protocol"]
    assert again != [restricted], "the key is nobody's"


def test_tls(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    with pytest.raises(UsageError, match=r"expected a folder with server\.crt and server\.key"):
        container(repository, tls=folder)
    for name in ("server.crt", "server.key"):
        write_bytes(folder / name, "pem")
    given = options(container(repository, tls=folder, host="::1").command())
    assert given["--grpc-use-ssl"] == ["true"]
    assert given["--publish"] == ["[::1]:8001:8001"]
    assert given["--mount"][1] == f"type=bind,source={folder},target=/tls,readonly"
    write_bytes(folder / "ca.crt", "pem")
    given = options(container(repository, tls=folder).command())
    assert given["--grpc-use-ssl-mutual"] == ["true"]
    assert given["--grpc-root-cert"] == ["/tls/ca.crt"]
    with pytest.raises(UsageError, match="Triton's HTTP has no TLS"):
        container(repository, tls=folder, host="10.0.0.1", http_port=8000)


@pytest.mark.parametrize(
    ("program", "gpus", "words"),
    [
        ("docker", None, ["--gpus", "all"]),
        ("docker", "0,1", ["--gpus", '"device=0,1"']),
        ("podman", "0,1", ["--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=1"]),
    ],
)
def test_gpus(tmp_path: Path, program: Any, gpus: str | None, words: list[str]) -> None:
    root = write_repository(
        tmp_path / "models", 'backend: "onnxruntime" instance_group { count: 1 kind: KIND_GPU }'
    )
    box = container(root, program=program, gpus=gpus)
    command = box.command()
    start = command.index(words[0])
    assert command[start : start + len(words)] == words
    assert command[0] == program
    assert box.image == ContainerSettings().image, "no image of its own is needed"
    assert len(box.script(tmp_path).split("run")[0].splitlines()) == 1
    (device,) = yaml.safe_load(box.compose(None))["services"]["triton"]["deploy"]["resources"][
        "reservations"
    ]["devices"]
    assert device == {
        "driver": "nvidia",
        "capabilities": ["gpu"],
        **({"count": "all"} if gpus is None else {"device_ids": ["0", "1"]}),
    }


def test_files_that_the_containers_user_cannot_read_are_refused(repository: Path) -> None:
    (repository / "m" / "1" / "bundle" / "graph.onnx").chmod(0o600)
    if os.getuid():
        container(repository)  # it runs as the owner
    else:
        with pytest.raises(
            UsageError, match=r"user 1000 of the container cannot read .*; allow it with: chmod -R o\+rX"
        ):
            container(repository)


def test_a_server_that_runs_beside_it_does_not_count(repository: Path) -> None:
    (repository / ".litho-server.json").write_text("{}")
    (repository / ".litho-server.json").chmod(0o600)
    container(repository)


def test_an_empty_repository_and_a_host_name_are_refused(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(UsageError, match="holds no model"):
        container(tmp_path / "empty")
    with pytest.raises(UsageError, match="host 'localhost' is not an IP address"):
        container(repository, host="localhost")


def test_a_required_signature_is_checked_before(repository: Path, tmp_path: Path) -> None:
    _, public = make_keys(tmp_path / "keys")
    with pytest.raises(LithoError, match="was not deployed by litho"):
        container(repository, require_signature=public)


@pytest.mark.parametrize("settings", [{}, {"host": "10.0.0.1", "gpus": "all", "metrics_port": 8002}])
def test_the_compose_file_keeps_to_the_schema(
    repository: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    box = container(repository, **settings)
    file = tmp_path / "compose.yaml"
    file.write_text(box.compose(tmp_path / "$context"))
    document = yaml.safe_load(file.read_text())
    SCHEMA.validate(document)
    service = document["services"]["triton"]
    assert service["build"] == {"context": f"{tmp_path}/$$context"}, "compose would put a variable in"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["shm_size"] == box.shared_memory_bytes
    assert service["volumes"][0] == {
        "type": "bind",
        "source": str(repository),
        "target": "/models",
        "read_only": True,
    }
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({**document, "services": {"triton": {**service, "pidz_limit": 1}}})
    lint = subprocess.run(
        [Path(sys.executable).with_name("compose-lint"), "check", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout


def test_a_collector_gets_the_traces_of_the_container(repository: Path) -> None:
    assert "--trace-config" not in options(container(repository).server_options())
    given = options(container(repository, traces="http://collector:4318/v1/traces").server_options())
    assert "opentelemetry,url=http://collector:4318/v1/traces" in given["--trace-config"]
    with pytest.raises(UsageError, match="traces was given 'collector'"):
        container(repository, traces="collector")
