"""Addresses of uploads."""

from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.registry.address import FolderAddress, HubAddress, OciAddress, check_plain_http, parse_address

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://me/digits", HubAddress("me", "digits")),
        ("hf://me/digits@v1", HubAddress("me", "digits", "v1")),
        ("file://hub/me/digits", FolderAddress(Path("hub"), "me", "digits")),
        ("file:///srv/a hub@2/me/digits@v1.0", FolderAddress(Path("/srv/a hub@2"), "me", "digits", "v1.0")),
        ("file:///me/digits", FolderAddress(Path("/"), "me", "digits")),
        ("oci://ghcr.io/me/digits", OciAddress("ghcr.io", "me/digits", "latest")),
        ("oci://localhost:5000/a/b/c:v1", OciAddress("localhost:5000", "a/b/c", "v1")),
        (f"oci://h/n@{DIGEST}", OciAddress("h", "n", None, DIGEST)),
        (f"oci://h/n:v1@{DIGEST}", OciAddress("h", "n", "v1", DIGEST)),
    ],
)
def test_an_address_says_where_an_upload_is(text: str, expected: object) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["hf://me/digits@v1", "file:///srv/me/digits@ab", f"oci://h:1/n/m@{DIGEST}", "oci://h/n:v1"]
)
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("digits", "'digits' is not an address of a registry; expected hf://OWNER/NAME"),
        ("https://huggingface.co/me/digits", "is not an address of a registry"),
        ("hf://digits", "no owner and name that the hub allows"),
        ("hf://a/b/c", "is not an address of the hub"),
        ("hf://me/..", "no owner and name"),
        ("hf://me/a--b", "no owner and name"),
        ("hf://me/digits@../x", "revision '../x'"),
        ("file://me/digits", "names no folder"),
        ("oci://ghcr.io/Me/Digits:v1", "NAME in small letters"),
        ("oci://ghcr.io/../x:v1", "is not an address of an OCI registry"),
        ("oci://h/n:a b", "tag 'a b'"),
        ("oci://h/n@sha256:12", "64 hexadecimal digits"),
        ("oci://user:pw@h/n", "is not an address of an OCI registry"),
        ("oci://h:65536/n", "is not an address of an OCI registry"),
        ("oci://[::1]:0/n", "is not an address of an OCI registry"),
    ],
)
def test_what_is_no_address_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        parse_address(text)


def test_a_revision_is_named_once() -> None:
    assert parse_address("hf://me/digits", "v1") == HubAddress("me", "digits", "v1")
    with pytest.raises(UsageError, match="give one of them"):
        parse_address("hf://me/digits@v1", "v2")
    with pytest.raises(UsageError, match="name the tag in the address: oci://h/n:TAG"):
        parse_address(f"oci://h/n@{DIGEST}", "v1")


def test_plain_http_is_of_oci_registries() -> None:
    check_plain_http(OciAddress("h", "n"), True)
    with pytest.raises(UsageError, match="--plain-http is of OCI registries"):
        check_plain_http(HubAddress("me", "digits"), True)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost:5000", True), ("127.0.0.1", True), ("[::1]:1", True), ("localhost.evil:1", False)],
)
def test_a_registry_of_this_machine_is_known(host: str, local: bool) -> None:
    assert OciAddress(host, "n").local == local
