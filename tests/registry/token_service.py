"""A service of tokens beside a registry, as GHCR and Docker Hub have one: name and password for a signed token.

Source: "Token Authentication Specification" of the distribution project.
"""

import base64
import datetime
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER, SERVICE = "tests", "registry of tests"


class TokenService:
    """The service.

    Attributes:
        url: of the service.
        certificate: that the registry trusts, PEM.
        scopes: that were asked for, in this order.
    """

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._chain = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "certificate.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._entry = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.scopes: list[str] = []
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def __enter__(self) -> "TokenService":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def knows(self, authorization: str | None) -> bool:
        return authorization == f"Basic {self._entry}"

    def token(self, scope: str) -> str:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "maker",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 60,
            "exp": now + 300,
            "jti": str(len(self.scopes)),
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        head = {"typ": "JWT", "alg": "ES256", "x5c": [self._chain]}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        signature = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        both = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
        return f"{signed}.{_encoded(both)}"


class _Handler(BaseHTTPRequestHandler):
    service: TokenService

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        scope = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
        self.service.scopes.append(scope)
        good = self.service.knows(self.headers.get("Authorization"))
        content = json.dumps({"token": self.service.token(scope)} if good else {"details": "no"}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
