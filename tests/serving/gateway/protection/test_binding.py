import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from litho.errors import UsageError
from litho.serving.gateway.protection.binding import check_binding, tls_context
from litho.serving.gateway.settings import GatewaySettings

K, C, T = {"keys": "k.json"}, {"tls_certificate": "c.pem", "tls_key": "t.pem"}, {"insecure_remote": True}


def settings(**given: object) -> GatewaySettings:
    return GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", **given})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1"])
@pytest.mark.parametrize("given", [{}, K, C, {**K, **C}])
def test_this_machine_alone_needs_nothing(host: str, given: dict[str, str]) -> None:
    check_binding(settings(host=host, **given))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "fe80::1"])
@pytest.mark.parametrize(
    ("given", "missing"),
    [({}, "--keys and --tls-certificate are"), (K, "--tls-certificate are"), (C, "--keys are")],
)
def test_beyond_it_keys_and_tls_are_needed(host: str, given: dict[str, str], missing: str) -> None:
    with pytest.raises(UsageError, match=f"other machines can reach host {host}, and {missing} missing"):
        check_binding(settings(host=host, **given))
    check_binding(settings(host=host, **{**given, **T}))
    check_binding(settings(host=host, **K, **C))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (T, "127.0.0.1 is reached from this machine alone; leave it out"),
        ({"host": "0.0.0.0", **K, **C, **T}, "keys and TLS are on; leave it out"),
        ({"tls_certificate": "c.pem"}, "--tls-certificate was given without --tls-key"),
        ({"tls_key": "t.pem"}, "--tls-key was given without --tls-certificate"),
        ({"host": "example.org"}, "host 'example.org' is not an IP address"),
        ({"host": "localhost"}, "host 'localhost' is not an IP address"),
    ],
)
def test_what_nothing_would_use_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_binding(settings(**given))


def write_certificate(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    from ipaddress import ip_address

    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    folder.mkdir(exist_ok=True)
    paths = folder / "server.crt", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return paths


def test_tls_is_of_this_decade(tmp_path: Path) -> None:
    assert tls_context(*write_certificate(tmp_path)).minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path / "one")
    _, other = write_certificate(tmp_path / "other")
    _, locked = write_certificate(tmp_path / "locked", b"secret")
    (broken := tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\n")
    for given, said in (
        ((certificate, other), "do not belong together"),
        ((certificate, tmp_path / "absent"), "--tls-key was given .*absent', which is not a file"),
        ((tmp_path / "absent", key), "--tls-certificate was given"),
        ((broken, key), "are not PEM files that can be used"),
        ((certificate, locked), "has a password; give one without"),
    ):
        with pytest.raises(UsageError, match=said):
            tls_context(*given)
