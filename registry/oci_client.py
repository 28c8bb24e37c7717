"""HTTP to an OCI registry: who may, what it refuses and why, in one line; tokens and passwords come through `oras`.

The programs of `oras` themselves read whole files into memory, wait for minutes where nobody answers and believe what
they get; its parts that ask for tokens and read credentials are used as they are.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from ..errors import RegistryError, UsageError
from ..extras import require
from .address import OciAddress
from .base import LostConnection

__all__ = ["Client", "credentials_file"]

_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""

_EXTRA = "registry"
_MOST_ERROR_BYTES = 64 << 10
_DOCKER_HUB = ("docker.io", "index.docker.io")
_DOCKER_HUB_API, _DOCKER_HUB_AUTH = "registry-1.docker.io", "https://index.docker.io/v1/"


def credentials_file() -> Path:
    """Docker's file of credentials: in the folder of DOCKER_CONFIG, or in the home directory."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")


class Client:
    """One repository of an OCI registry.

    Args:
        address: of the repository.
        action: what is done, for messages: "pull from" or "push to".
        plain_http: speak without TLS; a registry on this machine is always spoken to so.

    Raises:
        MissingExtra: `oras` is not installed.
        UsageError: Docker's file of credentials is not JSON.
    """

    def __init__(self, address: OciAddress, action: str, *, plain_http: bool = False) -> None:
        requests, self._auth_kinds = require("requests", _EXTRA), require("oras.auth", _EXTRA)
        self._errors = requests.exceptions
        self._address, self._action = address, action
        host = _DOCKER_HUB_API if address.host in _DOCKER_HUB else address.host
        self._insecure = plain_http or address.local
        self._base = f"{'http' if self._insecure else 'https'}://{host}/v2/{address.repository}/"
        self._session = requests.Session()
        self._session.trust_env = True
        self._auth: Any = None
        self._headers: dict[str, str] = {}

    def request(
        self,
        method: str,
        where: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | BinaryIO | None = None,
        allowed: tuple[int, ...] = (),
    ) -> Any:
        """One request, with the credentials that the registry asks for.

        Args:
            method: of HTTP.
            where: URL, or its part behind the repository's name.
            headers: further ones.
            data: body; a file is read again if the registry asks for credentials in between.
            allowed: status codes that are no error, besides 200 to 206.

        Returns:
            The answer, whose content has not been read.

        Raises:
            RegistryError: the registry cannot be reached or refuses.
            LostConnection: it went away.
        """
        url = urljoin(self._base, where)
        answer = self._send(method, url, headers, data)
        if answer.status_code in (401, 403) and self._authenticate(answer, url):
            answer.close()
            answer = self._send(method, url, headers, data)
        if answer.status_code not in (*range(200, 207), *allowed):
            raise self._refusal(method, answer)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def location(self, answer: Any) -> str:
        """The URL that an answer leads to.

        Raises:
            RegistryError: it leads to none.
        """
        if not (location := answer.headers.get("Location")):
            raise RegistryError(
                f"{self._address.host} does not say where to send a file; is it an OCI registry?"
            )
        return urljoin(answer.url, location)

    def _send(self, method: str, url: str, headers: Mapping[str, str] | None, data: Any) -> Any:
        if hasattr(data, "seek"):
            data.seek(0)
        # Credentials are for the registry, and not for a store that it sends us to.
        own = self._headers if urlsplit(url).netloc == urlsplit(self._base).netloc else {}
        try:
            return self._session.request(
                method, url, headers={**own, **(headers or {})}, data=data, stream=True, timeout=_TIMEOUT
            )
        except self._errors.SSLError as error:
            raise RegistryError(
                f"{self._address.host} does not speak TLS that is trusted here ({_reason(error)}); install its"
                " certificate, or use --plain-http where the network is yours"
            ) from error
        except self._errors.RequestException as error:
            if method == "PUT":  # some registries refuse a body while it is still being sent
                raise RegistryError(
                    f"{self._address.host} ended the connection during an upload ({_reason(error)}); push again,"
                    " what has arrived is not sent twice"
                ) from error
            raise RegistryError(
                f"cannot reach {self._address.host} ({_reason(error)}); check the address and the network"
            ) from error

    def _authenticate(self, answer: Any, url: str) -> bool:
        """Get what a registry asks for; False if nothing can be got, or it was already there.

        A registry asks for a name and password with every request ("Basic"), or for a token of its own service.
        """
        challenge = answer.headers.get("Www-Authenticate", "")
        basic = challenge.lower().startswith("basic")
        if not challenge or urlsplit(url).netloc != urlsplit(self._base).netloc:
            return False
        if self._auth is None:
            kind = "basic" if basic else "token"
            self._auth = self._auth_kinds.get_auth_backend(kind, self._session, self._insecure)
            self._load_credentials()
        if basic and getattr(self._auth, "_basic_auth", None) is None:
            return False
        try:
            with _oras_is_silent():
                # "refresh" makes it forget a token that has run out.
                headers, changed = self._auth.authenticate_request(answer, {}, refresh=True)
        except (self._errors.RequestException, ValueError, AttributeError) as error:
            raise RegistryError(
                f"{self._address.host} sends to a service of tokens that does not answer ({_reason(error)})"
            ) from error
        if not changed or headers == self._headers:
            return False
        self._headers = headers
        return True

    def _load_credentials(self) -> None:
        """Give `oras` the entries of Docker's file, from DOCKER_CONFIG too, which it does not read itself."""
        container = require("oras.container", _EXTRA)
        file = credentials_file()
        try:
            config = json.loads(file.read_bytes()) if file.is_file() else {}
            held = {key: config.get(key) for key in ("auths", "credHelpers", "credsStore")}
        except (ValueError, AttributeError) as error:
            raise UsageError(
                f"{file} is not Docker's file of credentials ({error}); run: docker login"
            ) from None
        held = {**held, "auths": held["auths"] or {}, "credHelpers": held["credHelpers"] or {}}
        self._auth._auth_config = held
        host = _DOCKER_HUB_AUTH if self._address.host in _DOCKER_HUB else self._address.host
        if host == _DOCKER_HUB_AUTH:
            self._auth._load_auth(host)
        else:
            self._auth.load_configs(container.Container(f"{host}/{self._address.repository}", registry=host))

    def _refusal(self, method: str, answer: Any) -> RegistryError:
        """What a registry refused, why, and what to do."""
        status, said = answer.status_code, _said(answer)
        address, host = self._address, self._address.host
        if status in (401, 403) or (status == 404 and "UNAUTHORIZED" in said):
            return RegistryError(
                f"{host} does not let you {self._action} {address.repository} ({status}{said}); check the entry of"
                f" {host} in {credentials_file()}, which 'docker login {host}' writes"
            )
        if status == 404:
            return RegistryError(f"{address} does not exist ({status}{said}); check name and tag")
        if status == 429:
            return RegistryError(f"{host} asks to wait ({status}{said}); run the same command again later")
        if status in (413, 507) or re.search(r"quota|denied|exceed|no space", said, re.IGNORECASE):
            return RegistryError(
                f"{host} takes no more ({status}{said}): free space there, then push again; what has arrived is not"
                " sent twice"
            )
        return RegistryError(
            f"{host} answers {status}{said} to {method} of {address.repository}; run the same command again later"
        )


@contextmanager
def _oras_is_silent() -> Iterator[None]:
    """Let `oras` print nothing: what it could not do is said in the error that follows."""
    logger = logging.getLogger("oras.logger")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def lost(error: Exception) -> LostConnection:
    """The same error as one after which the rest may be asked for."""
    return LostConnection(_reason(error))


def _said(answer: Any) -> str:
    """Code and message of a registry's error, as a part of a sentence; empty if it says nothing."""
    content = b""
    with suppress(Exception):
        content = answer.raw.read(_MOST_ERROR_BYTES, decode_content=True) or b""
    try:
        first = json.loads(content)["errors"][0]
        words = f"{first['code']}: {first['message']}"
    except (ValueError, LookupError, TypeError):
        return ""
    return f", {' '.join(words.split())[:200]}"


def _reason(error: BaseException) -> str:
    """The innermost cause of a network error, in a few words."""
    while (inner := _cause(error)) is not None:
        error = inner
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:160]


def _cause(error: BaseException) -> BaseException | None:
    """What is behind an error: libraries put it into their own in several ways."""
    found = (getattr(error, "reason", None), error.__cause__, error.__context__, *error.args)
    return next((one for one in found if isinstance(one, BaseException)), None)
