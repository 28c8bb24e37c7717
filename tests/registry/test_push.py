"""What `litho push` does before it speaks to a registry."""

from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.registry.push import push


def test_progress_is_reported_and_the_outcome_says_what_went(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[tuple[str, float]] = []
    pushed = push(signed, "file://hub/me/tiny", progress=lambda step, share: seen.append((step, share)))
    assert pushed.signed
    assert seen[0] == ("checking every file", 0.0)
    assert all(0 <= share <= 1 for _, share in seen)
    size = sum(path.stat().st_size for path in (tmp_path / "hub").rglob("blobs/*"))
    assert pushed.sent_bytes == size


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("nowhere", {}, "is not an address of a registry"),
        ("oci://h/n:v1", {"private": True}, "--private is of repositories of the hub"),
        ("hf://me/tiny", {"plain_http": True}, "--plain-http is of OCI registries"),
        ("oci://h/n:v1", {"revision": "main"}, "--revision is of the Hugging Face hub"),
    ],
)
def test_bad_usage_is_refused_before_any_file_is_read(
    address: str, options: dict[str, bool], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        push("no-such-folder", address, **options)  # pyright: ignore[reportArgumentType]
