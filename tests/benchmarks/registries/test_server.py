"""A real registry on this machine."""

import urllib.request
from pathlib import Path

import pytest

from litho.benchmarks.registries import server
from litho.benchmarks.registries.server import running_registry
from litho.errors import LithoError, ServerStartError

needs_program = pytest.mark.skipif(server.find_registry() is None, reason="docker-registry is not installed")


@needs_program
def test_it_answers_while_the_block_runs(tmp_path: Path) -> None:
    with running_registry(tmp_path) as running:
        with urllib.request.urlopen(f"http://{running.host}/v2/") as answer:
            assert answer.status == 200
        assert running.blob("sha256:abcd").parts[-3:] == ("ab", "abcd", "data")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{running.host}/v2/")


@needs_program
def test_settings_that_it_refuses_are_said(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerStartError, match="docker-registry does not listen: "),
        running_registry(tmp_path, {"nothing": {}}),
    ):
        pass


def test_a_machine_without_the_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(LithoError, match="docker-registry is not installed; install"),
        running_registry(tmp_path),
    ):
        pass
