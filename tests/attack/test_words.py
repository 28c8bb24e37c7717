"""Hostile words and documents: numbers, depths and names that nothing holds end in one line, never "unexpected"."""

import hashlib
import json
import shutil
import struct
from pathlib import Path

import pytest

from litho.bundle.probes import PROBES_NAME

from ..cli.conftest import Command, Complaint

DIGITS = "9" * 5000

WORDS = [
    "train cgan-digits --dry-run --set lr=1e999",
    "train cgan-digits --dry-run --set lr={digits}",
    "train cgan-digits --dry-run --set nimg={digits}",
    "train cgan-digits --dry-run --set seed=2147483648",
    "train {long}",
    "train cgan --data digits --set nimg=64 --run file",
    "evaluate {run} --device cuda:{digits}",
    "evaluate {run} --device tpu",
    "evaluate {run} --samples {digits}",
    "evaluate {run} --data digits --output file/x",
    "export {run} --fix label={digits}",
    "export {run} --size {digits}x1",
    "export {run} --to .hidden",
    "export {run} --to été",
    "export {run} --to {long}",
    "build-engine {bundle} --runtime tensorrt-rtx --target sm86 --profile 1,8,{digits}",
    "build-engine {bundle} --runtime tensorrt-rtx --workspace-mib {digits}",
    "deploy {bundle} --to repository --name ..",
    "deploy {bundle} --to repository --name {long}",
    "deploy {bundle} --to file --name x",
    "generate {bundle} --label 1 --seed {digits} -o o.png",
    "generate {bundle} --label 1 --seed 0-{digits} -o o.png",
    "generate {bundle} --label 1 --seed 9223372036854775808 -o o.png",
    "generate {bundle} --label 1 --seed -1 -o o.png",
    "generate {bundle} --label {digits} --seed 1 -o o.png",
    "generate {bundle} --label 1 --seed 1 --field truncation=1e999 -o o.png",
    "generate {bundle} --label 1 --seed 1 --device cuda:{digits} -o o.png",
    "generate {bundle} --label 1 --seed 1 -o file/o.png",
    "generate grpc://127.0.0.1:{digits}/x --seed 1 -o o.png",
    "generate grpc://[/x --seed 1 -o o.png",
    "bench {bundle} --batch {digits}",
    "bench {bundle} --seconds 1e999",
    "bench {bundle} --output file",
    "bench grpc://127.0.0.1:9/x --concurrency {digits}",
    "verify {bundle} --endpoint grpc://127.0.0.1:99999/x",
    "inspect {long}",
]
"""Command lines with a number, a name or a place that nothing can hold."""

DOCUMENTS = {
    "deep": "[" * 100_000,
    "deep objects": '{"schema_version":' * 100_000,
    "digits": f'{{"schema_version": {DIGITS}}}',
    "infinity": '{"schema_version": 1e999}',
    "surrogate": '{"schema_version": 1, "\\ud800": 1}',
    "nothing": "",
    "zero byte": "\0",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS)
def test_hostile_words_end_in_one_short_line(
    words: str, litho_here: Command, error_of: Complaint, run: Path, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    given = words.format(run=run, bundle=bundle, digits=DIGITS, long="x" * 3000).split()
    line = error_of(litho_here(*given, cwd=tmp_path))
    assert "unexpected" not in line
    assert len(line) < 1500
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left behind"


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_hostile_documents_of_bundles_and_runs_end_in_one_line(
    kind: str, litho_here: Command, error_of: Complaint, run: Path, bundle: Path, tmp_path: Path
) -> None:
    def refused(*words: str) -> None:
        line = error_of(litho_here(*words, cwd=tmp_path))
        assert "litho: error: unexpected" not in line
        assert len(line) < 1500

    content = DOCUMENTS[kind].encode()
    shutil.copytree(bundle, tmp_path / "manifest")
    (tmp_path / "manifest/manifest.json").write_bytes(content)
    refused("verify", "manifest")
    shutil.copytree(bundle, tmp_path / "probes")
    header = struct.pack("<Q", len(content)) + content
    (tmp_path / "probes" / PROBES_NAME).write_bytes(header)
    manifest = json.loads((tmp_path / "probes/manifest.json").read_text())
    record = {"sha256": hashlib.sha256(header).hexdigest(), "size_bytes": len(header)}
    manifest["files"][PROBES_NAME] = record
    (tmp_path / "probes/manifest.json").write_text(json.dumps(manifest))
    refused("verify", "probes")
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/snapshot.json").write_bytes(content)
    refused("export", "run")
    (tmp_path / "started").mkdir()
    (tmp_path / "started/recipe.json").write_bytes(content)
    refused("train", "cgan-digits", "--run", "started", "--set", "nimg=64")
    (tmp_path / "repository/model").mkdir(parents=True)
    (tmp_path / "repository/model/config.pbtxt").write_bytes(content)
    refused("rollback", "repository", "model")
