"""Looking at a bundle from the shell."""

import shutil
from pathlib import Path

import pytest

from litho.serving.server.embedded import EmbeddedServer

from .conftest import Command, Complaint

pytestmark = pytest.mark.slow


def test_one_changed_byte_fails_verification_and_the_file_is_named(
    litho_here: Command, error_of: Complaint, run: Path, tmp_path: Path
) -> None:
    assert litho_here("export", run, "--to", tmp_path / "bundle").returncode == 0
    graph = tmp_path / "bundle" / "graphs" / "generator.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[1000] ^= 1
    graph.write_bytes(content)
    done = litho_here("verify", tmp_path / "bundle")
    assert done.returncode == 1
    assert "generator.fp32.onnx has changed" in error_of(done)


def test_verify_replays_the_probes_through_the_server(
    litho_here: Command, bundle: Path, server: EmbeddedServer
) -> None:
    answer = litho_here("verify", str(bundle), "--endpoint", f"{server.grpc_url}/tiny")
    assert answer.returncode == 0, answer.stderr
    assert "passed" in answer.stdout


def test_verify_names_the_changed_file_although_a_server_answers(
    litho_here: Command, bundle: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(bundle, changed)
    (graph,) = changed.glob("graphs/*.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    answer = litho_here("verify", str(changed), "--endpoint", f"{server.grpc_url}/tiny")
    assert answer.returncode == 1
    assert str(graph) in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
