"""Addresses of uploads: `hf://OWNER/NAME`, `file://FOLDER/OWNER/NAME` and `oci://HOST/NAME:TAG`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UsageError

__all__ = ["Address", "FolderAddress", "HubAddress", "OciAddress", "check_plain_http", "parse_address"]

MAIN = "main"
"""Revision of the hub that is meant where none is named."""

LATEST = "latest"
"""Tag of an OCI registry that is meant where none is named."""

_FORMS = "hf://OWNER/NAME, file://FOLDER/OWNER/NAME or oci://HOST/NAME:TAG"
_HUB_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,95}")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./-]){0,127}")
# The grammar of the OCI distribution specification.
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class HubAddress:
    """A model repository of the Hugging Face hub.

    Args:
        owner: a user or organisation.
        name: of the repository.
        revision: branch, tag or commit.
    """

    owner: str
    name: str
    revision: str = MAIN

    @property
    def repository(self) -> str:
        """Owner and name, as the hub's client takes them."""
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"hf://{self.repository}{_at(self.revision)}"


@dataclass(frozen=True)
class FolderAddress:
    """A model repository in a folder that is laid out as the cache of the hub's client.

    Args:
        root: the folder, which holds `models--OWNER--NAME`.
        owner, name, revision: as of a `HubAddress`.
    """

    root: Path
    owner: str
    name: str
    revision: str = MAIN

    @property
    def folder(self) -> Path:
        """Folder of the repository."""
        return self.root / f"models--{self.owner}--{self.name}"

    def __str__(self) -> str:
        return f"file://{self.root}/{self.owner}/{self.name}{_at(self.revision)}"


@dataclass(frozen=True)
class OciAddress:
    """An artefact of an OCI registry.

    Args:
        host: with its port, if that is not the usual one.
        repository: name in the registry, with any number of "/".
        tag: None if only a digest is named.
        digest: "sha256:" and 64 hexadecimal digits; None if only a tag is named. With both, the digest decides.
    """

    host: str
    repository: str
    tag: str | None = LATEST
    digest: str | None = None

    @property
    def reference(self) -> str:
        """Digest or tag."""
        return self.digest or self.tag or LATEST

    @property
    def local(self) -> bool:
        """Whether the registry runs on this machine, where plain HTTP is usual."""
        name = self.host.rpartition(":")[0] or self.host
        return name in ("localhost", "127.0.0.1", "[::1]")

    def pinned(self, digest: str) -> OciAddress:
        """The same artefact by its digest."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"oci://{self.host}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


Address = HubAddress | FolderAddress | OciAddress


def parse_address(text: str, revision: str | None = None) -> Address:
    """Read an address.

    Args:
        text: in one of the three forms; "@REVISION" may follow a name of the hub, "@sha256:DIGEST" an OCI name.
        revision: branch, tag or commit of the hub, given apart from the address.

    Raises:
        UsageError: it has another form, or names a revision twice.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("hf", "file", "oci"):
        raise UsageError(f"{text!r} is not an address of a registry; expected {_FORMS}")
    if scheme == "oci":
        if revision is not None:
            raise UsageError(
                f"--revision is of the Hugging Face hub; name the tag in the address: {text.partition('@')[0]}:TAG"
            )
        return _oci(text, rest)
    path, at, named = rest.rpartition("@")
    if not at or "/" not in path:
        path, named = rest, ""
    if named and revision is not None:
        raise UsageError(f"{text!r} names revision {named!r}, --revision another; give one of them")
    wanted = revision or named or MAIN
    if _REVISION.fullmatch(wanted) is None or ".." in wanted:
        raise UsageError(f"revision {wanted!r} is not a branch, tag or commit; give one, such as {MAIN}")
    folder, owner, name = _hub_parts(text, path)
    if scheme == "hf":
        if folder:
            raise UsageError(f"{text!r} is not an address of the hub; expected hf://OWNER/NAME")
        return HubAddress(owner, name, wanted)
    if not folder:
        raise UsageError(f"{text!r} names no folder; expected file://FOLDER/OWNER/NAME")
    return FolderAddress(Path(folder), owner, name, wanted)


def check_plain_http(address: Address, plain_http: bool) -> None:
    """Refuse --plain-http for what is no OCI registry.

    Raises:
        UsageError: it would be ignored.
    """
    if plain_http and not isinstance(address, OciAddress):
        raise UsageError(
            f"--plain-http is of OCI registries, oci://HOST/NAME:TAG; leave it out for {address}"
        )


def _hub_parts(text: str, path: str) -> tuple[str, str, str]:
    """Folder, owner and name."""
    rest, _, name = path.rpartition("/")
    folder, slash, owner = rest.rpartition("/")
    for part in (owner, name):
        # Two hyphens separate the parts in the names of the cache's folders.
        if _HUB_NAME.fullmatch(part) is None or "--" in part or part.endswith((".", ".git")):
            raise UsageError(f"{text!r} has no owner and name that the hub allows; expected {_FORMS}")
    return folder or ("/" if slash else ""), owner, name


def _oci(text: str, rest: str) -> OciAddress:
    rest, at, digest = rest.partition("@")
    host, _, path = rest.partition("/")
    repository, colon, tag = path.partition(":")
    if _HOST.fullmatch(host) is None or not _port_fits(host) or _REPOSITORY.fullmatch(repository) is None:
        raise UsageError(
            f"{text!r} is not an address of an OCI registry; expected oci://HOST/NAME:TAG, NAME in small letters"
        )
    if colon and _TAG.fullmatch(tag) is None:
        raise UsageError(f"tag {tag!r} of {text!r} is not allowed; use letters, digits, '-', '_' and '.'")
    if at and _DIGEST.fullmatch(digest) is None:
        raise UsageError(
            f"digest {digest!r} of {text!r} is not one; expected sha256: and 64 hexadecimal digits"
        )
    return OciAddress(host, repository, tag or (None if at else LATEST), digest or None)


def _at(revision: str) -> str:
    return "" if revision == MAIN else f"@{revision}"


def _port_fits(host: str) -> bool:
    """Whether the port behind a host, if there is one, is one of TCP."""
    port = host.rpartition(":")[2] if not host.endswith("]") else ""
    return not port.isdecimal() or 0 < int(port) < 65536
