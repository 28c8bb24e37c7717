"""The commands that ask a running server, as a user types them."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litho.serving.client import Client
from litho.serving.server import EmbeddedServer

pytestmark = pytest.mark.slow


def litho(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from litho.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_verify_replays_the_probes_through_the_server(bundle: Path, server: EmbeddedServer) -> None:
    answer = litho("verify", str(bundle), "--endpoint", f"{server.grpc_url}/tiny")
    assert answer.returncode == 0, answer.stderr
    assert "passed" in answer.stdout


def test_verify_names_the_file_of_which_one_byte_was_changed(
    bundle: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(bundle, changed)
    (graph,) = changed.glob("graphs/*.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    answer = litho("verify", str(changed), "--endpoint", f"{server.grpc_url}/tiny")
    assert answer.returncode == 1
    assert str(graph) in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_generate_writes_what_the_server_answers(server: EmbeddedServer, tmp_path: Path) -> None:
    picture = tmp_path / "seven.png"
    answer = litho("generate", f"{server.grpc_url}/tiny", "--seed", "7", "--label", "3", "-o", str(picture))
    assert answer.returncode == 0, answer.stderr
    with Client(server.grpc_url, "tiny") as client:
        expected = client.generate(seed=7, label=3)[0, :, :, 0]
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), expected)


def test_a_server_that_is_not_there_ends_a_command_in_one_line(bundle: Path, tmp_path: Path) -> None:
    commands = (
        ("verify", str(bundle), "--endpoint", "grpc://127.0.0.1:1/tiny"),
        ("generate", "grpc://127.0.0.1:1/tiny", "--seed", "7", "--label", "3", "-o", str(tmp_path / "x.png")),
    )
    for command in commands:
        answer = litho(*command)
        assert answer.returncode == 1
        assert "cannot reach grpc://127.0.0.1:1/tiny" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x.png").exists()
