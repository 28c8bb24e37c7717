"""Certificates for tests of TLS, made anew: of a server, and of the authority that signed it."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Papers", "make_papers"]


@dataclass
class Papers:
    """PEM files: an authority, and certificate and key that it signed."""

    ca: Path
    certificate: Path
    key: Path


def make_papers(folder: Path, *, host: str = "127.0.0.1", days: float = 1) -> Papers:
    """Certificates of a new authority.

    Args:
        folder: for the files.
        host: an address, for which the server's certificate is.
        days: that it is still valid for; negative for one that has expired.
    """
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"litho tests {x509.random_serial_number():x}"[:64])]
    )

    def certify(public: Any, signer: Any, authority: bool) -> x509.Certificate:
        subject = name if authority else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        address = x509.IPAddress(ipaddress.ip_address(host))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=1 if authority else days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(signer, hashes.SHA256())
        )

    folder.mkdir(exist_ok=True)
    papers = Papers(*(folder / file for file in ("ca.pem", "certificate.pem", "key.pem")))
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    papers.ca.write_bytes(certify(root.public_key(), root, authority=True).public_bytes(pem))
    papers.certificate.write_bytes(certify(leaf.public_key(), root, authority=False).public_bytes(pem))
    papers.key.write_bytes(
        leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return papers
