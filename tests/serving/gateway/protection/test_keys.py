import json
import stat
from pathlib import Path

import pytest

from litho.errors import LithoError, SchemaError, UnknownName, UsageError
from litho.files import locked
from litho.serving.gateway.protection.keys import PREFIX, KeyFile, KeyLimits, digest_of


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def test_a_key_is_random_and_only_its_hash_is_stored(file: KeyFile) -> None:
    made = [file.create("page", KeyLimits(concurrent=2)) for _ in range(3)]
    text = file.path.read_text()
    for key, record in made:
        assert key.startswith(PREFIX)
        assert len(key) == len(PREFIX) + 43
        assert key not in text
        assert key.removeprefix(PREFIX)[:12] not in text
        assert record.sha256 == digest_of(key.encode()).hex()
        assert record.sha256 in text
    assert len({key for key, _ in made}) == len({record.id for _, record in made}) == 3
    assert file.read() == tuple(record for _, record in made)
    assert file.read()[0].limits == KeyLimits(concurrent=2)


def test_nobody_else_reads_the_file(file: KeyFile) -> None:
    file.create()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.revoke(file.read()[0].id)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_revoked_key_stays_in_the_file_with_its_time(file: KeyFile) -> None:
    _, first = file.create("first")
    _, second = file.create("second")
    revoked = file.revoke(first.id)
    assert revoked.revoked is not None
    assert file.read() == (revoked, second)
    assert file.revoke(first.id) == revoked  # once more changes nothing
    with pytest.raises(UnknownName, match=f"unknown key 'key_000000000000'.*{second.id}"):
        file.revoke("key_000000000000")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a file of keys"),
        ("[]", "is not a file of keys"),
        ("{" * 10_000, "is not a file of keys"),
        ('{"schema_version": 2, "keys": []}', "has schema version 2, this litho reads 1"),
        ('{"schema_version": 1, "keys": [{"id": "key_1"}]}', r"keys\.0\.id"),
        ('{"schema_version": 1, "keys": [], "more": 1}', "more"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_another_file_is_refused(file: KeyFile, content: str | bytes, said: str) -> None:
    file.path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refusal = UsageError if "UTF-8" in said or said.startswith("is not") else SchemaError
    with pytest.raises(refusal, match=said):
        file.read()
    before = file.path.read_bytes()
    with pytest.raises(refusal):
        file.create()
    assert file.path.read_bytes() == before


def test_two_keys_with_one_id_are_refused(file: KeyFile) -> None:
    file.create()
    document = json.loads(file.path.read_text())
    document["keys"] *= 2
    file.path.write_text(json.dumps(document))
    with pytest.raises(SchemaError, match="two keys have the same id"):
        file.read()
    document["keys"][1] = {**document["keys"][1], "id": "key_000000000000"}
    file.path.write_text(json.dumps(document))
    with pytest.raises(SchemaError, match="two keys have the same SHA-256"):
        file.read()


def test_what_cannot_be_done_is_said(file: KeyFile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file of keys at .*litho key create"):
        file.read()
    with pytest.raises(UsageError, match="there is no file of keys at"):
        file.revoke("key_000000000000")
    with pytest.raises(UsageError, match="has 101 characters; expected at most 100"):
        file.create("x" * 101)
    with pytest.raises(UsageError, match="printable"):
        file.create("two\nlines")
    (tmp_path / "folder").mkdir()
    with pytest.raises((UsageError, SchemaError), match="folder"):
        KeyFile(tmp_path / "folder").create()


def test_one_command_changes_the_file_at_a_time(file: KeyFile) -> None:
    file.create()
    with (
        locked(file.path.with_name(".keys.json.lock"), UsageError("busy")),
        pytest.raises(LithoError, match="another command changes") as busy,
    ):
        file.create()
    assert busy.value.exit_code == 1
    assert len(file.read()) == 1


def test_a_key_more_than_the_file_can_hold_is_refused_and_the_others_stay(file: KeyFile) -> None:
    file.create()
    document = json.loads(file.path.read_text())
    document["keys"] += [
        {"id": f"key_{number:012x}", "name": "n" * 100, "sha256": f"{number:064x}", "created": "now"}
        for number in range(67_000)
    ]
    file.path.write_text(json.dumps(document, indent=None))
    count = len(file.read())
    with pytest.raises(UsageError, match="at most 16777216 are read"):
        file.create()
    assert len(file.read()) == count
