"""Pushing and pulling from the shell."""

import json
from pathlib import Path

import pytest

from ..bundle.conftest import make
from ..registry.conftest import make_run
from ..signers import make_keys
from .conftest import Command, Complaint

ADDRESS = "file://hub/me/tiny"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_bundle_goes_and_comes_back(litho_here: Command, tmp_path: Path) -> None:
    signed, keys = make(tmp_path / "bundle"), make_keys(tmp_path / "keys")
    assert litho_here("sign", signed, "--key", keys[0]).returncode == 0
    pushed = litho_here("push", signed, ADDRESS)
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stderr.strip().endswith("sent, 0 B there already; signed")
    pinned = pushed.stdout.strip()
    pulled = litho_here("pull", ADDRESS, "--require-signature", keys[1])
    assert pulled.stdout.splitlines() == ["bundles/tiny", pinned]
    assert f"received; signed with the key in {keys[1]}" in pulled.stderr
    again = json.loads(litho_here("pull", pinned, "--json").stdout)
    assert (again["kind"], again["received_bytes"], again["signed"]) == ("bundle", 0, False)


def test_a_run_is_signed_on_its_way(litho_here: Command, tmp_path: Path) -> None:
    small_run = make_run(tmp_path / "run")
    private, public = make_keys(tmp_path / "keys")
    document = json.loads(
        litho_here("push", small_run, ADDRESS, "--key", private, "--checkpoint", "--json").stdout
    )
    assert document["signed"]
    pulled = litho_here("pull", ADDRESS, "--require-signature", public, "--to", "copy")
    assert pulled.returncode == 0, pulled.stderr
    assert Path("copy/checkpoint/state.pt").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pull", "file://hub/me/nothing"), 1, "does not exist"),
        (("pull", "oci://127.0.0.1:1/n:v1"), 1, "cannot reach 127.0.0.1:1"),
        (("pull", "nowhere"), 2, "is not an address of a registry"),
        (("push", "nothing", ADDRESS), 2, "is neither a bundle nor a finished run"),
        (("pull", ADDRESS, "--require-signature", "none.pem"), 2, "no key at 'none.pem'"),
        (("pull", "hf://me/tiny", "--plain-http"), 2, "--plain-http is of OCI registries"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    litho_here: Command, error_of: Complaint, words: tuple[str, ...], code: int, said: str
) -> None:
    done = litho_here(*words)
    assert done.returncode == code
    assert said in error_of(done)


def test_an_unsigned_upload_is_refused(litho_here: Command, error_of: Complaint, tmp_path: Path) -> None:
    small = make(tmp_path / "bundle")
    _, public = make_keys(tmp_path / "keys")
    assert litho_here("push", small, ADDRESS).returncode == 0
    done = litho_here("pull", ADDRESS, "--require-signature", public)
    assert done.returncode == 1
    assert "is not signed: it has no manifest.json.sig; its maker signs it with 'litho sign'" in error_of(
        done
    )


def test_push_and_pull_are_entered_in_the_audit_log(
    litho_here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    small = make(tmp_path / "bundle")
    pinned = litho_here("push", small, ADDRESS, "--audit-log", log).stdout.strip()
    monkeypatch.setenv("LITHO_AUDIT_LOG", str(log))
    assert litho_here("pull", ADDRESS).returncode == 0
    assert litho_here("pull", "file://hub/me/nothing").returncode == 1
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["event"], one["details"]["outcome"]) for one in entries] == [
        ("push", "started"),
        ("push", "done"),
        ("pull", "started"),
        ("pull", "done"),
        ("pull", "started"),
        ("pull", "failed"),
    ]
    pushed, pulled = entries[1]["details"], entries[3]["details"]
    assert (pushed["source"], pushed["address"], pushed["signed"]) == (str(small), pinned, False)
    assert (pulled["address"], pulled["path"]) == (pinned, "bundles/tiny")
