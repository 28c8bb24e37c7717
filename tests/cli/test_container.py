"""`litho serve --container`, `--compose` and `--run`: what is printed, run and refused."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from litho.cli.container import Wanted, serve_in_container
from litho.errors import ServerStartError, UsageError
from litho.files import write_bytes


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "models"
    write_bytes(root / "m" / "config.pbtxt", 'backend: "litho" version_policy { specific { versions: 1 } }')
    write_bytes(root / "m" / "1" / "bundle" / "graph.onnx", b"x")
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def serve(
    repository: Path, *, compose: bool = False, run: bool = False, remote: bool = False, **settings: Any
) -> None:
    serve_in_container(repository, Wanted(compose, run, remote), settings)


def test_the_commands_and_the_compose_file_are_printed(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(repository, http_port=None, grpc_port=9001)
    build, run = capsys.readouterr().out.split("\n", 1)
    context = Path(shlex.split(build)[-1])
    assert context.is_relative_to(tmp_path / "cache")
    assert (context / "Dockerfile").is_file()
    assert "127.0.0.1:9001:8001" in shlex.split(run.replace("\\\n", " "))
    serve(repository, compose=True)
    assert yaml.safe_load(capsys.readouterr().out)["services"]["triton"]["build"]["context"] == str(context)


def test_other_machines_are_let_in_only_if_asked_for(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="insist with --allow-remote"):
        serve(repository, host="10.0.0.1")
    serve(repository, host="10.0.0.1", remote=True)
    assert "10.0.0.1:8001:8001" in capsys.readouterr().out


def test_a_missing_program_and_a_failed_build_are_one_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="podman is not installed"):
        serve(repository, run=True, program="podman")
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 125\n")
    (tmp_path / "podman").chmod(0o755)
    with pytest.raises(ServerStartError, match="the image could not be built"):
        serve(repository, run=True, program="podman")
