"""C2PA content credentials (C2PA technical specification 2): who vouches for a picture, signed with a certificate.

The manifest says that a trained model created the picture (`c2pa.actions.v2`, digital source type
`trainedAlgorithmicMedia`), and holds the receipt as JSON text in the assertion `litho.receipt`. It is bound to the
file's bytes: every program that reads C2PA finds a changed one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from ..._version import __version__
from ...errors import CertificateError, UsageError
from ...extras import require
from .picture_metadata import PictureFormat, picture_format
from .receipt import Receipt

__all__ = ["CredentialState", "Credentials", "read_credentials"]

ASSERTION = "litho.receipt"
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_EXTRA = "c2pa"
_MOST_BYTES = 256 << 10
# A thumbnail can be a hundred times as large as the picture.
_SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_KEYS = "EC (P-256, P-384, P-521), Ed25519, or RSA"


@dataclass(frozen=True)
class CredentialState:
    """What the content credentials of a file say.

    Args:
        state: "Trusted" (the certificate is of a trusted issuer), "Valid" (nothing has changed) or "Invalid".
        signer: name in the certificate, and its organisation.
        problems: codes of the specification, empty if nothing is wrong; that the issuer is not known is none.
    """

    state: str
    signer: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Signing:
    """What signs: PEM of chain and key, C2PA's name of the algorithm, and from when to when it may."""

    chain: bytes
    key: bytes
    algorithm: str
    begin: datetime
    end: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class Credentials:
    """Signs content credentials; safe to use from several threads.

    Args:
        certificate: PEM file of the certificate, followed by those above it but the root.
        key: PEM file of its private key, without a password, which only its owner may read.
        clock: gives the time in UTC.

    Attributes:
        files: certificate and key.

    Raises:
        UsageError: a file cannot be used, they do not belong together, or C2PA does not accept the certificate.
        MissingExtra: `c2pa-python` or `cryptography` is not installed.
    """

    def __init__(
        self, certificate: Path | str, key: Path | str, clock: Callable[[], datetime] = _now
    ) -> None:
        self._c2pa = require("c2pa", _EXTRA)
        self._context = self._c2pa.Context(self._c2pa.Settings.from_dict(_SETTINGS))
        self._clock = clock
        self.files = Path(certificate), Path(key)
        self._signing = self._read()

    def load(self) -> datetime:
        """Read the files again, and sign with what they hold from now on.

        Returns:
            When the certificate ends, in UTC.

        Raises:
            UsageError: they cannot be used; what they held before signs as before.
        """
        self._signing = self._read()
        return self._signing.end

    def check(self) -> None:
        """Say so if the certificate is not valid at this time.

        Raises:
            CertificateError: it has ended, or is not valid yet.
        """
        now, signing = self._clock(), self._signing
        if not signing.begin <= now <= signing.end:
            raise CertificateError(_not_now(self.files[0], signing.begin, signing.end, now))

    def _read(self) -> _Signing:
        certificate, key = self.files
        chain, private = _read(certificate, "certificate"), _read(key, "private key")
        if key.stat().st_mode & 0o077:
            raise UsageError(f"others may read or write {key}; run: chmod 600 {key}")
        signing = _signing(chain, private, certificate, key)
        now = self._clock()
        if not signing.begin <= now <= signing.end:
            raise UsageError(_not_now(certificate, signing.begin, signing.end, now))
        self._try(signing)
        return signing

    def sign(self, content: bytes, receipt: Receipt, form: PictureFormat) -> bytes:
        """The file with content credentials.

        Args:
            content: of a file PNG, JPEG or WebP.
            receipt: of the picture.
            form: of the file.

        Raises:
            CertificateError: the certificate has ended, or is not valid yet.
        """
        self.check()
        assertions = [_actions(receipt), _assertion(ASSERTION, {"receipt": receipt.to_json()})]
        return self._sign(self._signing, content, f"image/{form}", assertions)

    def _sign(self, signing: _Signing, content: bytes, media_type: str, assertions: list[Any]) -> bytes:
        manifest = {
            "claim_generator_info": [{"name": "litho", "version": __version__}],
            "format": media_type,
            "assertions": assertions,
        }
        info = self._c2pa.C2paSignerInfo(signing.algorithm, signing.chain, signing.key, None)
        made = BytesIO()
        with (
            self._c2pa.Signer.from_info(info) as signer,
            self._c2pa.Builder(json.dumps(manifest), self._context) as builder,
        ):
            builder.sign(signer, media_type, BytesIO(content), made)
        return made.getvalue()

    def _try(self, signing: _Signing) -> None:
        """Sign a small picture and read it: C2PA asks more of a certificate than that it is one."""
        encoded = BytesIO()
        Image.new("L", (8, 8)).save(encoded, "PNG")
        try:
            assertions = [_assertion("c2pa.actions.v2", _created())]
            signed = self._sign(signing, encoded.getvalue(), "image/png", assertions)
            problems = _state(self._c2pa, signed, "image/png").problems
        except self._c2pa.C2paError as error:
            problems = (str(error).splitlines()[0][:200],)
        if problems:
            raise UsageError(
                f"{self.files[0]} cannot sign content credentials ({problems[0]}); it needs the key usage"
                " digitalSignature, the extended key usage emailProtection, and an issuer other than itself"
            )


def read_credentials(content: bytes) -> CredentialState | None:
    """What the content credentials of a file say; None if it has none.

    Args:
        content: of a file PNG, JPEG or WebP.

    Raises:
        DataError: it is of another format.
        MissingExtra: `c2pa-python` is not installed.
    """
    c2pa = require("c2pa", _EXTRA)
    media_type = f"image/{picture_format(content)}"
    try:
        return _state(c2pa, content, media_type)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return CredentialState("Invalid", "", (str(error).splitlines()[0][:200],))


def _state(c2pa: Any, content: bytes, media_type: str) -> CredentialState:
    with c2pa.Reader(media_type, BytesIO(content)) as reader:
        document = json.loads(reader.json())
    manifest = document["manifests"][document["active_manifest"]]
    signed = manifest.get("signature_info", {})
    who = ", ".join(filter(None, (signed.get("common_name"), signed.get("issuer"))))
    codes = dict.fromkeys(status["code"] for status in document.get("validation_status", []))
    problems = tuple(code for code in codes if code != "signingCredential.untrusted")
    return CredentialState(document["validation_state"], who, problems)


def _actions(receipt: Receipt) -> dict[str, Any]:
    return _assertion("c2pa.actions.v2", _created(receipt.created))


def _created(when: str | None = None) -> dict[str, Any]:
    agent = {"name": "litho", "version": __version__}
    action = {"action": "c2pa.created", "digitalSourceType": _SOURCE, "softwareAgent": agent}
    return {"actions": [action if when is None else {**action, "when": when}]}


def _assertion(label: str, data: Mapping[str, Any]) -> dict[str, Any]:
    # Only texts: c2pa-python 0.38 turns a list of numbers into bytes.
    return (
        {"label": label, "kind": "Json", "data": data}
        if label == ASSERTION
        else {"label": label, "data": data}
    )


def _read(path: Path | str, what: str) -> bytes:
    if not Path(path).is_file():
        raise UsageError(
            f"there is no file {str(path)!r}; expected a PEM file with the {what} of a C2PA signer"
        )
    with Path(path).open("rb") as file:
        return file.read(_MOST_BYTES)


def _signing(chain: bytes, private: bytes, certificate: Path, key: Path) -> _Signing:
    """What a certificate and its key sign with."""
    x509 = require("cryptography.x509", "sign")
    serialization = require("cryptography.hazmat.primitives.serialization", "sign")
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except Exception:  # the library has errors of many kinds for a file that it cannot read
        raise UsageError(f"{certificate} holds no certificate in PEM form") from None
    try:
        loaded: Any = serialization.load_pem_private_key(private, None)
    except Exception:
        raise UsageError(f"{key} holds no private key in PEM form without a password") from None
    if loaded.public_key() != leaf.public_key():
        raise UsageError(f"{key} is not the private key of {certificate}; give the two that belong together")
    if (algorithm := _algorithm(loaded)) is None:
        raise UsageError(f"{key} holds a key that C2PA does not know; allowed are {_KEYS}")
    return _Signing(chain, private, algorithm, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _algorithm(key: Any) -> str | None:
    """C2PA's name of the signature algorithm of a private key; None for one that it does not know."""
    kind = type(key).__name__
    if "Ed25519" in kind:
        return "ed25519"
    if "RSA" in kind:
        return "ps256"
    return _CURVES.get(getattr(getattr(key, "curve", None), "name", ""))


def _not_now(certificate: Path, begin: datetime, end: datetime, now: datetime) -> str:
    return (
        f"{certificate} is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, and this machine's clock"
        f" says {now:%Y-%m-%d %H:%M}; renew the certificate, or set the clock"
    )
