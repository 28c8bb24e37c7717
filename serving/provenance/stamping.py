"""What happens to a picture before it leaves a gateway: its receipt is made and put into the file, and both signed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.keys import PASSWORD_VARIABLE, PrivateKey
from ...errors import UsageError
from .content_credentials import Credentials
from .picture_metadata import embed, picture_format
from .receipt import Origin, Receipt, ReceiptMaker, Sealed

__all__ = ["Stamped", "Stamper", "make_stamper"]


@dataclass(frozen=True)
class Stamped:
    """A file that says from what it was made.

    Args:
        content: of the file.
        sealed: the receipt that it holds.
    """

    content: bytes
    sealed: Sealed

    @property
    def receipt(self) -> Receipt:
        """That it holds."""
        return self.sealed.receipt

    @property
    def document(self) -> dict[str, Any]:
        """The receipt as a JSON object."""
        return self.sealed.document


class Stamper(ReceiptMaker):
    """Makes receipts and puts them into encoded pictures; safe to use from several threads.

    Args:
        key: private key that signs receipts, or its PEM file; None leaves them unsigned.
        password: of an encrypted file.
        credentials: signs C2PA content credentials into the file; None for none.

    Raises:
        UsageError: the key cannot be used.
        MissingExtra: a key was given, and `cryptography` is not installed.
    """

    def __init__(
        self,
        key: PrivateKey | Path | str | None = None,
        password: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(key, password)
        self._credentials = credentials

    @property
    def credentials(self) -> Credentials | None:
        """What signs content credentials; None for none."""
        return self._credentials

    def check(self) -> None:
        """Say so if pictures cannot be stamped at this time: none leaves without the credentials that it should have.

        Raises:
            CertificateError: the certificate of the credentials has ended, or is not valid yet.
        """
        if self._credentials is not None:
            self._credentials.check()

    def stamp(
        self,
        encoded: bytes,
        origin: Origin,
        fields: Mapping[str, NDArray[Any]],
        pixels: NDArray[np.uint8],
        *,
        request_id: str = "",
        quality: int | None = None,
    ) -> Stamped:
        """An encoded picture with its receipt, and its content credentials where there is a certificate.

        Args:
            encoded: the picture as PNG, JPEG or WebP.
            origin: the model that made it.
            fields: every input of this picture by name, checked, without the batch axis or with one of length 1.
            pixels: UINT8 of shape (height, width, channels), as the model made them.
            request_id: of the request.
            quality: 0 to 100, of a lossy encoding; None of a lossless one.

        Raises:
            DataError: the file is of another format.
            UsageError: the receipt is too long for JPEG.
            CertificateError: as `check` says.
        """
        form = picture_format(encoded)
        sealed = self.seal(origin, fields, pixels, request_id=request_id, file_format=form, quality=quality)
        content = embed(encoded, sealed.text, form)
        if self._credentials is not None:
            content = self._credentials.sign(content, sealed.receipt, form)
        return Stamped(content, sealed)


def make_stamper(
    receipt_key: Path | None = None, c2pa_certificate: Path | None = None, c2pa_key: Path | None = None
) -> Stamper:
    """What stamps pictures, from the files that a gateway is started with.

    Args:
        receipt_key: PEM file of an Ed25519 private key; the password of an encrypted one is in the environment.
        c2pa_certificate, c2pa_key: PEM files of a C2PA signer, both or neither.

    Raises:
        UsageError: a file cannot be used, or one of the two is missing.
        MissingExtra: a package that signs is not installed.
    """
    if (c2pa_certificate is None) != (c2pa_key is None):
        missing = "--c2pa-key" if c2pa_key is None else "--c2pa-certificate"
        raise UsageError(f"{missing} is missing: content credentials need a certificate and its private key")
    credentials = None
    if c2pa_certificate is not None and c2pa_key is not None:
        credentials = Credentials(c2pa_certificate, c2pa_key)
    return Stamper(receipt_key, os.environ.get(PASSWORD_VARIABLE), credentials)
