"""Looking at a bundle from the shell."""

import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., subprocess.CompletedProcess[str]]
Complaint = Callable[[subprocess.CompletedProcess[str]], str]


def test_one_changed_byte_fails_verification_and_the_file_is_named(
    litho_command: Command, error_of: Complaint, run: Path, tmp_path: Path
) -> None:
    assert litho_command("export", run, "--to", tmp_path / "bundle").returncode == 0
    graph = tmp_path / "bundle" / "graphs" / "generator.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[1000] ^= 1
    graph.write_bytes(content)
    done = litho_command("verify", tmp_path / "bundle")
    assert done.returncode == 1
    assert "generator.fp32.onnx has changed" in error_of(done)
