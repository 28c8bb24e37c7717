"""`litho push`: a bundle or run to a registry, with a model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import UsageError
from ..files import check_folder
from ..reporting.progress import Progress, quiet
from .address import FolderAddress, HubAddress, check_plain_http, parse_address
from .base import Pushed
from .card import make_card
from .opening import open_registry
from .packing import pack

__all__ = ["push"]


def push(  # noqa: PLR0913
    source: Path | str,
    address: str,
    *,
    revision: str | None = None,
    key: Path | str | None = None,
    password: str | None = None,
    checkpoint: bool = False,
    private: bool = False,
    plain_http: bool = False,
    progress: Progress = quiet,
) -> Pushed:
    """Send a bundle or run to a registry, with a model card that is made from it.

        >>> pushed = push_model("runs/digits", "file://hub/me/digits-weights")
        >>> pushed.address.startswith("file://hub/me/digits-weights@")
        True

    What the registry has already is not sent again, so that an upload that was stopped continues. A reader sees the
    upload before, or all of the new one.

    Args:
        source: folder of a bundle, or of a finished run. Of a run go snapshot, recipe, statistics, evaluation,
            explanation and the newest samples.
        address: hf://OWNER/NAME, file://FOLDER/OWNER/NAME or oci://HOST/NAME:TAG.
        revision: branch of the hub; made if it does not exist.
        key: PEM file of an Ed25519 private key, which signs the package of a run. A bundle is signed before, by
            `sign_model`, and its digital signature goes with it.
        password: of an encrypted key.
        checkpoint: also send what a run needs to be resumed.
        private: make the hub's repository a private one, if it does not exist yet.
        plain_http: speak to an OCI registry of another machine without TLS.
        progress: called with the current step and the share that is done, 0 to 1.

    Returns:
        The address of exactly this upload, with a commit or a digest, and the bytes that were sent.

    Raises:
        UsageError: the source or address cannot be used, or an option does not fit them.
        MissingExtra: the client of this kind of registry is not installed.
        BundleError: a file of the source is missing or has changed.
        RegistryError: the registry cannot be reached or refuses.
    """
    where = parse_address(address, revision)
    if private and not isinstance(where, HubAddress):
        raise UsageError(
            f"--private is of repositories of the hub, hf://OWNER/NAME; leave it out for {address}"
        )
    check_plain_http(where, plain_http)
    if isinstance(where, FolderAddress):
        check_folder(where.folder, "ADDRESS")
    progress("checking every file", 0.0)
    packed = pack(Path(source), key=key, password=password, checkpoint=checkpoint)
    uploads = (*packed.uploads, *make_card(packed, address))
    title = f"{packed.package.kind} {packed.package.name}"
    pushed = open_registry(where, private=private, plain_http=plain_http).push(uploads, title, progress)
    return replace(pushed, signed=packed.signer is not None, notes=packed.notes)
