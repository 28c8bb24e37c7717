"""Keys of digital signatures: Ed25519, in the PEM files that `openssl genpkey -algorithm ed25519` writes.

A digital signature says who vouches for some bytes. It has nothing to do with the signature of a generator, which says
what the generator takes and gives.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..extras import require

__all__ = ["KEY_BYTES", "PASSWORD_VARIABLE", "SIGNATURE_BYTES", "PrivateKey", "PublicKey", "is_encrypted"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64
PASSWORD_VARIABLE = "LITHO_KEY_PASSWORD"  # noqa: S105 - the name of a variable
"""Environment variable with the password of an encrypted private key."""

_MAX_FILE_BYTES = 64 << 10
_MAKE = "openssl genpkey -algorithm ed25519 -out private.pem"
_EXTRACT = "openssl pkey -in private.pem -pubout -out public.pem"
_EXTRA = "sign"


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key, which checks digital signatures.

    Args:
        raw: its 32 bytes.
        source: where it comes from, for messages.
    """

    raw: bytes
    source: str = field(default="", compare=False)

    @classmethod
    def read(cls, path: Path | str) -> PublicKey:
        """Read a PEM file.

        Raises:
            UsageError: there is no such file, or it holds another kind of key.
            MissingExtra: `cryptography` is not installed.
        """
        content = _read(Path(path), "a public", _EXTRACT)
        if b"PRIVATE KEY" in content:
            raise UsageError(
                f"{path} holds a private key, which only the signer has; give the public one, made with: {_EXTRACT}"
            )
        serialization = require("cryptography.hazmat.primitives.serialization", _EXTRA)
        try:
            key = serialization.load_pem_public_key(content)
        except Exception:  # the library has errors of many kinds for a file that it cannot read
            raise UsageError(f"{path} holds no public key in PEM form; make one with: {_EXTRACT}") from None
        _check_kind(key, "PublicKey", path)
        return cls(key.public_bytes_raw(), str(path))

    @classmethod
    def from_text(cls, text: str, source: str = "") -> PublicKey:
        """The key written as `text` writes it.

        Args:
            text: 64 hexadecimal digits.
            source: where it comes from, for messages.

        Raises:
            UsageError: the text is something else.
        """
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise UsageError(
                f"{source or 'a public key'} is {text[:80]!r}; expected {2 * KEY_BYTES} hexadecimal digits"
            )
        return cls(raw, source)

    @property
    def text(self) -> str:
        """The key as 64 hexadecimal digits, for a server's configuration."""
        return self.raw.hex()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key as DER, 64 hexadecimal digits: `openssl pkey -pubin -in K -outform DER | sha256sum`."""
        # RFC 8410: the DER of every Ed25519 public key starts with these 12 bytes.
        return hashlib.sha256(bytes.fromhex("302a300506032b6570032100") + self.raw).hexdigest()

    def to_pem(self) -> bytes:
        """The key as the content of a PEM file."""
        serialization = require("cryptography.hazmat.primitives.serialization", _EXTRA)
        return self._loaded().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def signed(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature`, 64 bytes, was made over exactly this content with the private key.

        Raises:
            MissingExtra: `cryptography` is not installed.
        """
        exceptions = require("cryptography.exceptions", _EXTRA)
        try:
            self._loaded().verify(signature, content)
        except exceptions.InvalidSignature:
            return False
        return True

    def _loaded(self) -> Any:
        ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519", _EXTRA)
        return ed25519.Ed25519PublicKey.from_public_bytes(self.raw)


class PrivateKey:
    """An Ed25519 private key, which makes digital signatures; read it with `read`.

    Args:
        loaded: the key as `cryptography` has it.
    """

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded

    @classmethod
    def read(cls, path: Path | str, password: str | None = None) -> PrivateKey:
        """Read a PEM file that only its owner may read.

        Args:
            path: of the file.
            password: of an encrypted key.

        Raises:
            UsageError: there is no such file, others may read it, it holds another kind of key, or the password is
                missing or wrong.
            MissingExtra: `cryptography` is not installed.
        """
        content = _read(Path(path), "a private", _MAKE)
        if b"PUBLIC KEY" in content:
            raise UsageError(
                f"{path} holds a public key, which only checks; give the private one, made with: {_MAKE}"
            )
        mode = stat.S_IMODE(Path(path).stat().st_mode)
        if mode & 0o077:
            raise UsageError(f"others may read or write {path} (mode {mode:03o}); run: chmod 600 {path}")
        encrypted = is_encrypted(path)
        if encrypted and password is None:
            raise UsageError(
                f"{path} is encrypted; set {PASSWORD_VARIABLE} to its password, or sign in a terminal"
            )
        serialization = require("cryptography.hazmat.primitives.serialization", _EXTRA)
        try:
            key = serialization.load_pem_private_key(
                content, password.encode() if encrypted and password else None
            )
        except Exception:  # see PublicKey.read
            if encrypted:
                raise UsageError(f"the password does not open {path}; check {PASSWORD_VARIABLE}") from None
            raise UsageError(f"{path} holds no private key in PEM form; make one with: {_MAKE}") from None
        _check_kind(key, "PrivateKey", path)
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """The public key of the pair."""
        return PublicKey(self._loaded.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """The digital signature of `content`: 64 bytes, always the same for the same content."""
        return self._loaded.sign(content)


def is_encrypted(path: Path | str) -> bool:
    """Whether a PEM file holds a private key that needs a password.

    Raises:
        UsageError: there is no such file.
    """
    content = _read(Path(path), "a private", _MAKE)
    return b"ENCRYPTED PRIVATE KEY" in content or b"Proc-Type: 4,ENCRYPTED" in content


def _read(path: Path, half: str, make: str) -> bytes:
    if not path.is_file():
        raise UsageError(f"no key at {str(path)!r}; expected a PEM file of {half} key, made with: {make}")
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES)


def _check_kind(key: Any, half: str, path: Path | str) -> None:
    kind = type(key).__name__.removesuffix(half).lstrip("_")
    if kind != "Ed25519":
        raise UsageError(
            f"{path} holds a key of kind {kind}; bundles are signed with Ed25519, made with: {_MAKE}"
        )
