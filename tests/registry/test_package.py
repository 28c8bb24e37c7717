"""The document that lists what an upload holds."""

import json

import pytest
from hypothesis import given, strategies as st

from litho.bundle import Bundle
from litho.bundle.manifest import FileRecord
from litho.errors import IntegrityError, SchemaError
from litho.files import confined
from litho.registry.package import MOST_FILES, Package, check_manifest, parse_package
from litho.registry.packing import pack_bundle

RECORD = json.loads(FileRecord.of(b"x").model_dump_json())


def document(*paths: str, kind: str = "bundle", **changes: object) -> bytes:
    needed = ("manifest.json",) if kind == "bundle" else ("snapshot.json", "snapshot.safetensors")
    files = dict.fromkeys((*needed, *paths), RECORD)
    return json.dumps({"schema_version": 1, "kind": kind, "name": "tiny", "files": files, **changes}).encode()


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/x",
        "a/../x",
        "a//x",
        "./x",
        "a\\x",
        "",
        ".git/config",
        "a\nb",
        "a\0b",
        "con:x",
        "README.md",
        "litho-package.json",
    ],
)
def test_a_path_that_is_no_plain_one_is_refused(path: str) -> None:
    with pytest.raises(SchemaError, match="is not allowed"):
        parse_package("hf://me/x", document(path))


@given(st.text(max_size=40))
def test_no_path_leaves_the_folder(path: str) -> None:
    from pathlib import Path

    try:
        package = parse_package("hf://me/x", document(path))
    except SchemaError:
        return
    for listed in package.files:
        assert confined(Path("/srv/x"), listed).is_relative_to("/srv/x")
        assert not listed.startswith(".")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (document("a", "A"), "'A' is listed twice"),
        (document("a", "a/b"), "is a file and a folder"),
        (document(*(f"f{number}" for number in range(MOST_FILES))), f"allowed are 1 to {MOST_FILES}"),
        (document(schema_version=2), "upgrade with"),
        (document(name="../x"), "name"),
        (document(kind="model"), "kind"),
        (document(extra=1), "extra"),
        (document("manifest.json", kind="run"), "a run with 'manifest.json'"),
        (document("setup.py", kind="run"), "a run with 'setup.py'"),
        (document(files={"graphs/x.onnx": RECORD}), "a bundle without manifest.json"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_package_that_cannot_be_is_refused_in_a_line(content: bytes, said: str) -> None:
    with pytest.raises(SchemaError, match=said) as refused:
        parse_package("hf://me/x", content)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_the_same_files_give_the_same_bytes(small) -> None:
    package = pack_bundle(small).package
    assert package.to_bytes() == pack_bundle(small).package.to_bytes()
    assert parse_package("x", package.to_bytes()) == package
    assert package.size_bytes == sum(path.stat().st_size for path in small.rglob("*") if path.is_file())


def test_a_package_says_what_the_signed_manifest_says(small) -> None:
    package, manifest = pack_bundle(small).package, Bundle.load(small).manifest
    check_manifest(package, manifest, "hf://me/x")
    for files in (
        {**package.files, "more.py": FileRecord.of(b"")},
        {path: record for path, record in package.files.items() if not path.startswith("graphs")},
        {**package.files, "probes.safetensors": FileRecord.of(b"others")},
    ):
        with pytest.raises(IntegrityError, match="say different things of"):
            check_manifest(Package(kind="bundle", name="tiny", files=files), manifest, "hf://me/x")
    with pytest.raises(IntegrityError, match="calls the bundle 'other'"):
        check_manifest(Package(kind="bundle", name="other", files=package.files), manifest, "hf://me/x")
