"""The Hugging Face hub, through its own client: one model repository is one bundle or run, one commit an upload.

Endpoint and token come from the client's settings: HF_ENDPOINT, HF_TOKEN, or what 'hf auth login' wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..errors import LithoError, RegistryError, chain
from ..extras import require
from ..reporting.progress import Progress
from .address import MAIN, HubAddress
from .base import PIECE_BYTES, Held, LostConnection, Pushed, after, cut_short, unfinished
from .package import (
    CARD_NAME,
    PACKAGE_NAME,
    PACKAGE_SIGNATURE,
    PACKAGE_SIGNER,
    PICTURES,
    parse_package,
)
from .packing import Upload

__all__ = ["Hub"]

_EXTRA = "registry"
_TIMEOUT_SECONDS = 60.0
_MOST_PACKAGE_BYTES = 16 << 20
_SIGN_IN = "run 'hf auth login', or set HF_TOKEN to a token that may"


class Hub:
    """A model repository of the hub.

    Args:
        address: of the repository.
        private: make it a private one, if it does not exist yet.

    Raises:
        MissingExtra: `huggingface_hub` is not installed.
    """

    def __init__(self, address: HubAddress, *, private: bool = False) -> None:
        self._address, self._private = address, private
        self._hub = require("huggingface_hub", _EXTRA)
        require("huggingface_hub.utils", _EXTRA).disable_progress_bars()
        self._api = self._hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)

    def open(self) -> _Commit:
        """The upload that the address names.

        Raises:
            RegistryError: there is none, or the hub cannot be reached or refuses.
        """
        with self._reporting("pull from"):
            info = self._api.model_info(
                self._address.repository,
                revision=self._address.revision,
                files_metadata=True,
                timeout=_TIMEOUT_SECONDS,
            )
        files = {
            one.rfilename: Held(one.size or 0, one.lfs.sha256 if one.lfs else None)
            for one in info.siblings or ()
        }
        return _Commit(self, replace(self._address, revision=info.sha), files)

    def push(self, uploads: Sequence[Upload], title: str, progress: Progress) -> Pushed:
        """Make one commit of an upload, which replaces the upload before; the client sends what the hub lacks.

        Raises:
            RegistryError: the hub cannot be reached or refuses, or somebody else has pushed meanwhile.
        """
        repository, revision = self._address.repository, self._address.revision
        with self._reporting("push to"):
            progress(f"opening {repository}", 0.0)
            self._api.create_repo(repository, private=self._private or None, exist_ok=True)
            if revision != MAIN:
                self._api.create_branch(repository, branch=revision, exist_ok=True)
            before = self._before()
            operations = [self._addition(upload) for upload in uploads]
            operations += [self._hub.CommitOperationDelete(path) for path in self._stale(before, uploads)]
            progress(f"sending {len(uploads)} files to {repository}", 0.1)
            made = self._api.create_commit(
                repository,
                operations,
                commit_message=title,
                revision=revision,
                parent_commit=before.sha,
                num_threads=2,
            )
        after = Hub(replace(self._address, revision=made.oid)).open()
        if absent := [upload.path for upload in uploads if upload.path not in after.files]:
            raise RegistryError(
                f"{self._address} lacks {absent[0]} after the upload; does the repository's .gitignore leave it out?"
            )
        held = {one.rfilename: one.lfs.sha256 if one.lfs else None for one in before.siblings or ()}
        present = sum(
            upload.record.size_bytes for upload in uploads if held.get(upload.path) == upload.record.sha256
        )
        total = sum(upload.record.size_bytes for upload in uploads)
        return Pushed(after.address, total - present, present)

    def _before(self) -> Any:
        return self._api.model_info(
            self._address.repository,
            revision=self._address.revision,
            files_metadata=True,
            timeout=_TIMEOUT_SECONDS,
        )

    def _addition(self, upload: Upload) -> Any:
        source = upload.source if isinstance(upload.source, bytes) else str(upload.source)
        return self._hub.CommitOperationAdd(upload.path, source)

    def _stale(self, before: Any, uploads: Sequence[Upload]) -> list[str]:
        """Files of the upload before that the new one does not have; what is none of litho's stays."""
        held = {one.rfilename: one.size or 0 for one in before.siblings or ()}
        if not 0 < held.get(PACKAGE_NAME, 0) <= _MOST_PACKAGE_BYTES:
            return []
        commit = _Commit(self, replace(self._address, revision=before.sha), {})
        try:
            content = b"".join(commit.stream(PACKAGE_NAME, 0, _MOST_PACKAGE_BYTES))
            listed = parse_package(self._address, content).files
        except (LithoError, LostConnection):
            return []  # what is there is no upload of litho's
        own = {PACKAGE_NAME, PACKAGE_SIGNATURE, PACKAGE_SIGNER, CARD_NAME, *PICTURES, *listed}
        return sorted((own & held.keys()) - {upload.path for upload in uploads})

    def url(self, path: str, revision: str) -> str:
        """Where the hub has a file."""
        return self._hub.hf_hub_url(
            self._address.repository, path, revision=revision, endpoint=self._api.endpoint
        )

    def get(self, url: str, headers: dict[str, str]) -> Any:
        """Begin to read a URL, as a context manager of the client's session."""
        utils = require("huggingface_hub.utils", _EXTRA)
        own = utils.build_hf_headers()
        return utils.get_session().stream(
            "GET", url, headers={**own, **headers}, timeout=_TIMEOUT_SECONDS, follow_redirects=True
        )

    @contextmanager
    def _reporting(self, action: str) -> Iterator[None]:
        """Turn what the client raises into one line; its errors are of several packages."""
        try:
            yield
        except (LithoError, MemoryError):
            raise
        except Exception as error:
            raise self.explained(error, action) from error

    def explained(self, error: BaseException, action: str) -> RegistryError:
        """An error of the client, and what to do.

        Args:
            error: of the client.
            action: what was tried, such as "push to".
        """
        address, kind = self._address, type(error).__name__
        endpoint = self._api.endpoint
        response = next(
            (found for one in chain(error) if (found := getattr(one, "response", None)) is not None), None
        )
        status = getattr(response, "status_code", None)
        said = _said(response)
        if status is None:
            if kind == "OfflineModeIsEnabled":
                return RegistryError(f"HF_HUB_OFFLINE is set, which forbids to {action} {address}; unset it")
            if type(error).__module__.startswith(("httpx", "requests", "urllib3")) or isinstance(
                error, OSError
            ):
                return RegistryError(
                    f"cannot reach {endpoint} ({_words(error)}); check the network, or HF_ENDPOINT"
                )
            return RegistryError(f"cannot {action} {address}: {_words(error)}")
        if kind == "GatedRepoError":
            return RegistryError(f"{address} is gated; ask for access on its page, then {_SIGN_IN}")
        if kind == "RevisionNotFoundError":
            return RegistryError(
                f"{address} has no revision {address.revision!r}; check its branches and tags"
            )
        if status == 404 or kind == "RepositoryNotFoundError":
            return RegistryError(
                f"{address} does not exist at {endpoint}, or is private ({status}); check the name, then {_SIGN_IN}"
            )
        if status in (401, 403) and "storage" not in said.lower():
            return RegistryError(
                f"{endpoint} does not let you {action} {address} ({status}{said}); {_SIGN_IN}"
            )
        if status == 412:
            return RegistryError(f"somebody else has pushed to {address} meanwhile; push again")
        if status == 429:
            return RegistryError(
                f"{endpoint} asks to wait ({status}{said}); run the same command again later"
            )
        if status in (402, 403, 413, 507):
            return RegistryError(
                f"{endpoint} takes no more ({status}{said}): free space there, then push again; what has arrived is"
                " not sent twice"
            )
        return RegistryError(
            f"{endpoint} answers {status}{said} on the try to {action} {address}; run the same command again"
        )


class _Commit:
    """One commit of a repository."""

    def __init__(self, hub: Hub, address: HubAddress, files: dict[str, Held]) -> None:
        self._hub, self._revision = hub, address.revision
        self.address, self.files = str(address), files

    def close(self) -> None:
        """The client keeps its connections for its next use."""

    def stream(self, path: str, start: int, most: int | None = None) -> Iterator[bytes]:
        """The content of a file from byte `start` on; at most `most` bytes and a piece, if that is given."""
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        received = 0
        try:
            with self._hub.get(self._hub.url(path, self._revision), headers) as answer:
                if answer.status_code == 404:
                    raise unfinished(self.address, path)
                if answer.status_code == 416:
                    raise cut_short(self.address, path, start)
                if answer.status_code >= 400:
                    answer.read()
                require("huggingface_hub.utils", _EXTRA).hf_raise_for_status(answer)
                skip = start if answer.status_code == 200 else 0
                for piece in after(answer.iter_bytes(PIECE_BYTES), skip):
                    received += len(piece)
                    yield piece
                    if most is not None and received > most:
                        return
        except (LithoError, MemoryError, OSError, GeneratorExit):
            raise
        except Exception as error:
            of_network = getattr(error, "response", None) is None and type(error).__module__.startswith(
                "http"
            )
            if of_network and (received or start):
                raise LostConnection(_words(error)) from error
            raise self._hub.explained(error, "pull from") from error


def _said(response: Any) -> str:
    """What the hub says of a refusal, as a part of a sentence; empty if it says nothing."""
    if response is None:
        return ""
    message = response.headers.get("X-Error-Message") or ""
    if not message:
        try:
            document = response.json()
            message = str(document.get("error") or document.get("message") or "")
        except Exception:  # an answer that is no JSON, or was never read
            message = ""
    return f", {' '.join(message.split())[:200]}" if message.strip() else ""


def _words(error: BaseException) -> str:
    inner = list(chain(error))[-1]
    return " ".join((str(inner) or str(error) or type(error).__name__).split())[:160]
