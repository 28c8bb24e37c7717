"""Certificates of C2PA signers, made with `cryptography`."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, days: tuple[float, float] = (-1, 30)
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _save(folder: Path, chain: bytes, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, private = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(chain)
    encoding = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encoding))
    private.chmod(0o600)
    return certificate, private


def make_signer(
    folder: Path, curve: ec.EllipticCurve | None = None, *, days: tuple[float, float] = (-1, 30)
) -> tuple[Path, Path]:
    """Certificate chain and private key of a C2PA signer, valid between these days from now."""
    root, leaf = (ec.generate_private_key(one) for one in (ec.SECP256R1(), curve or ec.SECP256R1()))
    known = x509.SubjectKeyIdentifier.from_public_key(root.public_key())
    above = (
        _builder("Example Root", "Example Root", root.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(known, critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .sign(root, hashes.SHA256())
    )
    below = (
        _builder("Example Signer", "Example Root", leaf.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
        .sign(root, hashes.SHA256())
    )
    return _save(folder, below.public_bytes(PEM) + above.public_bytes(PEM), leaf)


def make_self_signed(folder: Path) -> tuple[Path, Path]:
    """Certificate and key that C2PA does not accept: its issuer is itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _builder("Alone", "Alone", key.public_key()).sign(key, hashes.SHA256())
    return _save(folder, certificate.public_bytes(PEM), key)
