import json
from pathlib import Path

from litho.serving.gateway.protection.keys import PREFIX, KeyFile, digest_of

from .conftest import Command, Complaint


def test_a_key_is_made_listed_and_revoked(litho_here: Command, tmp_path: Path) -> None:
    made = litho_here("key", "create", "--name", "page", "--concurrent", 2, cwd=tmp_path)
    key = made.stdout.strip()
    (record,) = KeyFile(tmp_path / "keys.json").read()
    assert key.startswith(PREFIX)
    assert record.sha256 == digest_of(key.encode()).hex()
    assert record.limits.concurrent == 2
    assert (
        made.stderr == f"{record.id} was added to keys.json; nobody can show the key again, so store it now\n"
    )
    listed = litho_here("key", "list", cwd=tmp_path).stdout
    assert record.id in listed
    assert "page" in listed
    assert key not in listed
    revoked = litho_here("key", "revoke", record.id, cwd=tmp_path).stdout
    assert revoked.startswith(f"{record.id} is revoked since 20")


def test_each_gives_json(litho_here: Command, tmp_path: Path) -> None:
    keys = ("--keys", tmp_path / "k.json", "--json")
    made = json.loads(litho_here("key", "create", "--requests-per-minute", 60, *keys).stdout)
    assert made.pop("key").startswith(PREFIX)
    assert made["limits"] == {"requests_per_minute": 60, "pictures_per_minute": None, "concurrent": None}
    assert json.loads(litho_here("key", "list", *keys).stdout) == [made]
    assert json.loads(litho_here("key", "revoke", made["id"], *keys).stdout)["revoked"] is not None


def test_mistakes_are_one_line(litho_here: Command, error_of: Complaint, tmp_path: Path) -> None:
    keys = ("--keys", tmp_path / "k.json")
    assert "there is no file of keys at" in error_of(litho_here("key", "list", *keys))
    litho_here("key", "create", *keys)
    assert "unknown key 'key_1'" in error_of(litho_here("key", "revoke", "key_1", *keys))
    assert litho_here("key", "create", "--concurrent", 0, *keys).returncode == 2
