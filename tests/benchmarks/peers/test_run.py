"""The command: what is refused, and how the two groups meet in one document."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.peers.documents import Peers, Served
from litho.benchmarks.peers.in_process.base import peer_names
from litho.benchmarks.peers.run import combined, main
from litho.benchmarks.shared.machine import describe_machine

from .test_documents import PEERS

app = typer.Typer()
app.command()(main)

SERVED = Served(
    graph="generator.fp32.onnx",
    seed=0,
    seconds=1,
    date="2026-11-26",
    command="",
    peers=(),
    not_measured=(),
    machine=describe_machine(),
)


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    return result.output


def test_what_would_be_ignored_is_refused() -> None:
    assert "no run was given" in refused()
    assert "--on was given 'tpu'; allowed is cpu or gpu" in refused("run", "--on", "tpu")
    assert "add --served, or give --rounds" in refused("run", "--seconds", "2")
    assert "leave out --on gpu" in refused("run", "--served", "--on", "gpu")
    assert "--served takes one precision" in refused("run", "--served", "--precision", "fp32,int8")


def test_each_group_is_kept_when_the_other_is_measured_anew(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    only_served = PEERS.model_copy(update={"peers": (), "recommended": "", "served": SERVED})
    assert combined(file, only_served) == only_served
    file.write_text(json.dumps(PEERS.model_dump(mode="json")))
    assert combined(file, only_served) == PEERS.model_copy(update={"served": SERVED})
    file.write_text(json.dumps(combined(file, only_served).model_dump(mode="json")))
    assert combined(file, PEERS).served == SERVED
    others = PEERS.model_copy(update={"weights_sha256": "1" * 64})
    assert combined(file, others) == others


@pytest.mark.slow
def test_a_run_is_measured_and_written(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    options = ["--precision", "fp32", "--rounds", "1", "--seed", "7", "--output", str(file)]
    for name in peer_names():
        if name != "onnxruntime":
            options += ["--without", name]
    result = CliRunner().invoke(app, [str(run), *options])
    assert result.exit_code == 0, result.output
    document = Peers.model_validate_json(file.read_text())
    assert document.schema_version == 2
    assert document.seed == 7
    names = [peer.name for peer in document.peers]
    assert names[0] == "ONNX Runtime, plain graph"
    assert "generator.fp32.onnx" in names
    for peer in document.peers:
        assert peer.verdict.status == "passed"
        assert [len(rounds.ms) for rounds in peer.rounds] == [1, 1, 1]
        assert peer.versions
    assert str(tmp_path) not in file.read_text()
    assert "times as fast as the best FP32 peer" in result.output
