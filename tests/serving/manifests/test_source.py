"""Where the pods find a repository: three forms, and what is refused."""

from __future__ import annotations

import pytest

from litho.errors import UsageError
from litho.serving.manifests.source import Source

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("pvc://models", {"kind": "pvc", "claim": "models", "path": ""}),
        ("pvc://models/a/b/", {"kind": "pvc", "claim": "models", "path": "a/b"}),
        ("s3://bucket/models/", {"kind": "s3", "url": "s3://bucket/models", "secret": ""}),
        (f"oci://host:5000/m@{DIGEST}", {"kind": "image", "image": f"host:5000/m@{DIGEST}"}),
    ],
)
def test_the_three_forms(text: str, values: dict[str, str]) -> None:
    assert Source.parse(text).to_values() == values


def test_a_secret_is_for_object_storage() -> None:
    assert Source.parse("s3://bucket/models", "keys").to_values()["secret"] == "keys"
    with pytest.raises(UsageError, match="--source-secret is for s3://BUCKET/PREFIX"):
        Source.parse("pvc://models", "keys")


@pytest.mark.parametrize(
    "text", ["models", "pvc://", "pvc://Models", "pvc://m/../x", "s3://", "https://x/y", ""]
)
def test_other_forms_are_refused_with_the_allowed_ones(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"allowed are pvc://CLAIM\[/FOLDER\], s3://BUCKET/PREFIX, or oci://NAME@"
    ):
        Source.parse(text)


def test_an_image_is_named_by_its_digest() -> None:
    with pytest.raises(UsageError, match="a tag may be moved"):
        Source.parse("oci://host/models:1")
