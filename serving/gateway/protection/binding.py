"""Where a gateway may listen: beyond this machine only with keys and TLS, or when somebody insists."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime
from pathlib import Path

from ....errors import UsageError
from ....extras import require
from ..settings import GatewaySettings

__all__ = ["TlsFiles", "check_binding", "tls_context"]


def check_binding(settings: GatewaySettings) -> None:
    """Refuse an address that other machines reach without keys and TLS, and settings that nothing would use.

    Raises:
        UsageError: it is refused.
    """
    try:
        local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        raise UsageError(
            f"host {settings.host!r} is not an IP address; give one such as 127.0.0.1 or 0.0.0.0"
        ) from None
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        given, other = (
            ("--tls-key", "--tls-certificate")
            if settings.tls_certificate is None
            else ("--tls-certificate", "--tls-key")
        )
        raise UsageError(f"{given} was given without {other}; give both, or none")
    missing = [
        name
        for name, value in (("--keys", settings.keys), ("--tls-certificate", settings.tls_certificate))
        if value is None
    ]
    if settings.insecure_remote and (local or not missing):
        why = f"{settings.host} is reached from this machine alone" if local else "keys and TLS are on"
        raise UsageError(f"--insecure-remote was given, but {why}; leave it out")
    if not local and missing and not settings.insecure_remote:
        raise UsageError(
            f"other machines can reach host {settings.host}, and {' and '.join(missing)} are missing:"
            " give both, keep 127.0.0.1, or insist with --insecure-remote"
        )


class TlsFiles:
    """Certificate and key of a server, which can be read again: connections from then on see the new ones.

    Args:
        certificate, key: as `tls_context` takes them.

    Attributes:
        files: both.
        context: of TLS; a connection gets the certificate that was read last.

    Raises:
        UsageError: one of them cannot be used.
        MissingExtra: `cryptography` is not installed.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.files = certificate, key
        self.context = self._newest = tls_context(certificate, key)
        # OpenSSL does not let a context change while another thread shakes hands with it.
        self.context.sni_callback = self._take_newest

    def _take_newest(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def load(self) -> datetime:
        """Read the files, and use what they hold for later connections.

        Returns:
            When the certificate ends, in UTC.

        Raises:
            UsageError: one of them cannot be used; later connections see what earlier ones saw.
        """
        x509 = require("cryptography.x509", "gateway")
        certificate, key = self.files
        newest = tls_context(certificate, key)
        try:
            end = x509.load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc
        except ValueError as error:
            raise UsageError(f"the end of the certificate {certificate} cannot be read: {error}") from None
        self._newest = newest
        return end


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The server's side of TLS, 1.2 or later.

    Args:
        certificate: PEM file with the certificate and those that vouch for it.
        key: PEM file with its private key, without a password.

    Raises:
        UsageError: one of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for option, path in (("--tls-certificate", certificate), ("--tls-key", key)):
        if not path.is_file():
            raise UsageError(f"{option} was given {str(path)!r}, which is not a file; expected PEM")

    def no_password() -> str:
        raise UsageError(f"--tls-key was given {str(key)!r}, which has a password; give one without")

    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        why = "do not belong together" if "MISMATCH" in str(error) else "are not PEM files that can be used"
        raise UsageError(f"the certificate {certificate} and the key {key} {why}") from None
    except OSError as error:
        raise UsageError(
            f"the certificate {certificate} or the key {key} cannot be read: {error.strerror}"
        ) from None
    return context
