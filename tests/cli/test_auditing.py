"""Verbs that change what is served enter it in the audit log, if one is named."""

import json
from pathlib import Path

from .conftest import Command, Complaint


def entries(log: Path) -> list[tuple[str, str]]:
    read = [json.loads(line) for line in log.read_text().splitlines()]
    return [(entry["event"], entry["details"]["outcome"]) for entry in read]


def test_key_changes_are_entered(litho_here: Command, tmp_path: Path, monkeypatch) -> None:
    log = tmp_path / "audit.jsonl"
    made = json.loads(litho_here("key", "create", "--audit-log", log, "--json", cwd=tmp_path).stdout)
    monkeypatch.setenv("LITHO_AUDIT_LOG", str(log))
    assert litho_here("key", "revoke", made["id"], cwd=tmp_path).returncode == 0
    assert litho_here("key", "revoke", "key_000000000000", cwd=tmp_path).returncode != 0
    assert entries(log) == [
        ("key-create", "started"),
        ("key-create", "done"),
        ("key-revoke", "started"),
        ("key-revoke", "done"),
        ("key-revoke", "started"),
        ("key-revoke", "failed"),
    ]
    assert made["key"] not in log.read_text()
    assert made["id"] in log.read_text()
    assert "6 entries" in litho_here("audit", "verify", log).stdout


def test_deployments_are_entered(litho_here: Command, bundle: Path, tmp_path: Path) -> None:
    log = ("--audit-log", tmp_path / "audit.jsonl")
    deploy = ("deploy", bundle, "--to", tmp_path / "models", "--name", "tiny", *log)
    assert litho_here(*deploy).returncode == 0
    assert litho_here(*deploy, "--flavour", "onnxruntime").returncode == 0
    assert litho_here("rollback", tmp_path / "models", "tiny", *log).returncode == 0
    assert litho_here("promote", tmp_path / "models", "tiny", *log).returncode == 1
    assert litho_here("undeploy", tmp_path / "models", "tiny", *log).returncode == 0
    seen = entries(tmp_path / "audit.jsonl")
    assert [event for event, outcome in seen if outcome == "done"] == [
        "deploy",
        "deploy",
        "rollback",
        "undeploy",
    ]
    assert ("promote", "failed") in seen
    done = [json.loads(line)["details"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()][1]
    assert (done["model"], done["version"], done["variant"]) == ("tiny", 1, "generator.fp32.onnx")


def test_nothing_is_done_when_the_log_lost_lines(
    litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    litho_here("key", "create", "--audit-log", log, cwd=tmp_path)
    before = (tmp_path / "keys.json").read_bytes()
    log.write_text(log.read_text().splitlines()[0] + "\n")
    refused = litho_here("key", "create", "--audit-log", log, cwd=tmp_path)
    assert "lines were removed" in error_of(refused)
    assert (tmp_path / "keys.json").read_bytes() == before


def test_what_cannot_be_an_audit_log_is_refused_before_the_work(
    litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path, tmp_path / "file" / "log"):
        done = litho_here("key", "create", "--keys", tmp_path / "keys.json", "--audit-log", wrong)
        assert done.returncode == 2
        assert f"--audit-log was given '{wrong}'" in error_of(done)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
