"""A receipt: from what one picture was made, so that it can be made again and distinguished from a forgery.

It names the deployed model with the hashes of its weights and bundle, every input of the picture, and the SHA-256 of
the pixels. The checksum finds accidents. A digital signature (Ed25519) finds forgeries: without the private key nobody
makes a receipt that `Receipt.check` accepts with the public one.

Both are over the canonical form: JSON of everything but `checksum` and `signature`, without what is null, keys sorted,
no spaces, UTF-8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Constraint, StrictFloat, StrictInt, StrictStr

from ..._version import __version__
from ...bundle.json_documents import Document, parse_as
from ...bundle.keys import PrivateKey, PublicKey
from ...bundle.manifest import Grade
from ...errors import IntegrityError, TrustError
from ...runners.triton import ServedModel
from ...signature.fields import MOST_CHANNELS
from ..moments import now

__all__ = [
    "MOST_RECEIPT_BYTES",
    "ArrayRecord",
    "Origin",
    "Receipt",
    "ReceiptMaker",
    "Sealed",
    "elements_sha256",
    "field_value",
    "parse_receipt",
    "pixels_sha256",
]

SCHEMA_VERSION = 1

MOST_RECEIPT_BYTES = 1 << 20
"""Longest receipt that is read."""

MOST_INLINE_ELEMENTS = 1024
"""Most elements of an array whose values stand in a receipt; of a larger one, and of every picture, the hash does."""

BUNDLE_PARAMETER = "litho_bundle_sha256"
"""Parameter of a deployed model with the SHA-256 of its bundle's manifest."""

Hash = Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
Extent = Annotated[int, Constraint(ge=1)]


class ArrayRecord(Document):
    """A value that is no single number or text.

    Args:
        dtype: "INT64", "FP32" or "UINT8".
        shape: of one picture's value.
        sha256: of its elements in row-major order, little-endian.
        values: the elements in that order, where there are at most 1,024 and it is no picture.
    """

    dtype: Literal["INT64", "FP32", "UINT8"]
    shape: tuple[Extent, ...]
    sha256: Hash
    values: tuple[StrictInt | StrictFloat, ...] | None = None


Value = StrictInt | StrictFloat | StrictStr | ArrayRecord


class Receipt(Document):
    """From what one picture was made.

    Args:
        schema_version: of the document.
        model: name of the deployed model.
        version: of the deployed model; empty if the server did not say.
        variant: name of the bundle's variant; of several stages, names separated by commas.
        precision: of the variant.
        grade: what its pictures promise.
        checkpoint_sha256: hash of the weights.
        bundle_sha256: hash of the bundle's manifest; empty if an older litho deployed the model.
        fields: every input of the picture by name, defaults included; of a picture, its hash.
        pixels_sha256: of the picture's elements, UINT8 in row-major order, before any encoding.
        shape: height, width and channels of the picture.
        file_format: "png", "jpeg" or "webp"; None if the picture was not encoded.
        quality: 0 to 100, of a lossy encoding; None of a lossless one.
        request_id: of the request that the picture was made for; empty if there was none.
        created: time in UTC, as 2026-01-31T12:00:00.000Z.
        litho_version: of the gateway.
        signer: public key of the digital signature, 64 hexadecimal digits; says who claims to have signed.
        checksum: SHA-256 of the canonical form.
        signature: Ed25519 over the canonical form, 128 hexadecimal digits.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    model: Annotated[str, Constraint(max_length=256)]
    version: Annotated[str, Constraint(max_length=64)] = ""
    variant: Annotated[str, Constraint(max_length=1024)]
    precision: Annotated[str, Constraint(max_length=256)] = ""
    grade: Grade
    checkpoint_sha256: Annotated[str, Constraint(max_length=128)]
    bundle_sha256: Annotated[str, Constraint(max_length=128)] = ""
    fields: dict[str, Value]
    pixels_sha256: Hash
    shape: tuple[Extent, Extent, Annotated[int, Constraint(ge=1, le=MOST_CHANNELS)]]
    file_format: Literal["png", "jpeg", "webp"] | None = None
    quality: Annotated[int, Constraint(ge=0, le=100)] | None = None
    request_id: Annotated[str, Constraint(max_length=256)] = ""
    created: Annotated[str, Constraint(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    litho_version: Annotated[str, Constraint(max_length=64)]
    signer: Hash | None = None
    checksum: Hash = "0" * 64
    signature: Annotated[str, Constraint(pattern=r"^[0-9a-f]{128}$")] | None = None

    @property
    def canonical(self) -> bytes:
        """What checksum and digital signature are over."""
        return _compact(self.model_dump(mode="json", exclude_none=True, exclude={"checksum", "signature"}))

    def to_json(self) -> str:
        """The receipt as one line of JSON."""
        return _compact(self.to_document()).decode()

    def to_document(self) -> dict[str, Any]:
        """The receipt as a JSON object, without what is null."""
        return self.model_dump(mode="json", exclude_none=True)

    def check(self, key: PublicKey | None = None) -> None:
        """Refuse a receipt that has changed since it was made.

        Args:
            key: public key of the one who is trusted. Without it, a digital signature is compared with the key that
                the receipt itself names, which shows a change and not who signed.

        Raises:
            IntegrityError: the checksum is another.
            TrustError: the digital signature is missing, is another's, or does not fit.
            MissingExtra: there is a signature, and `cryptography` is not installed.
        """
        canonical = self.canonical
        if hashlib.sha256(canonical).hexdigest() != self.checksum:
            raise IntegrityError(
                "the receipt has changed since it was made: its checksum does not fit; get the picture from its maker"
                " again"
            )
        if self.signature is None or self.signer is None:
            if key is not None or self.signature is not None or self.signer is not None:
                raise TrustError(
                    "the receipt is not signed; ask for a picture of a gateway that was started with --receipt-key"
                )
            return
        if key is not None and key.text != self.signer:
            claimed = PublicKey.from_text(self.signer).fingerprint[:16]
            raise TrustError(
                f"the receipt was not signed with key {key.fingerprint[:16]} but, as it says, with {claimed}; give the"
                " signer's public key"
            )
        if not PublicKey.from_text(self.signer).signed(canonical, bytes.fromhex(self.signature)):
            raise TrustError(
                "the receipt is not what its signer signed: it has changed since; get the picture from its maker again"
            )


@dataclass(frozen=True)
class Origin:
    """The deployed model that pictures come from, as receipts name it; one for all pictures of a version.

    Args:
        model, version, variant, precision, grade, checkpoint_sha256, bundle_sha256: see `Receipt`.
    """

    model: str
    variant: str
    grade: Grade
    checkpoint_sha256: str
    bundle_sha256: str = ""
    precision: str = ""
    version: str = ""

    @classmethod
    def of(
        cls, model: str, served: ServedModel, parameters: Mapping[str, str] | None = None, version: str = ""
    ) -> Origin:
        """What a server says of a model.

        Args:
            model: its name.
            served: facts of the deployment.
            parameters: all parameters of its configuration.
            version: that is served.
        """
        return cls(
            model=model,
            variant=served.variant,
            grade=served.grade,
            checkpoint_sha256=served.checkpoint_sha256,
            bundle_sha256=(parameters or {}).get(BUNDLE_PARAMETER, ""),
            precision=served.precision,
            version=version,
        )


@dataclass(frozen=True)
class Sealed:
    """A receipt that is finished.

    Args:
        text: as `Receipt.to_json` gives it, with checksum and signature at the end.
        checksum: that it has.
    """

    text: str
    checksum: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """As `Receipt.to_document` gives it, in another order."""
        return json.loads(self.text)

    @cached_property
    def receipt(self) -> Receipt:
        """With checksum, and digital signature where there is a key."""
        return Receipt.model_validate(self.document)


class ReceiptMaker:
    """Makes receipts, signed where it has a key; safe to use from several threads.

    Args:
        key: private key, or its PEM file; None leaves receipts unsigned.
        password: of an encrypted file.

    Raises:
        UsageError: the key cannot be used.
        MissingExtra: a key was given, and `cryptography` is not installed.
    """

    def __init__(self, key: PrivateKey | Path | str | None = None, password: str | None = None) -> None:
        self._key = PrivateKey.read(key, password) if isinstance(key, Path | str) else key
        self.public = None if self._key is None else self._key.public

    def make(self, *arguments: Any, **more: Any) -> Receipt:
        """The receipt of one picture; arguments as of `seal`."""
        return self.seal(*arguments, **more).receipt

    def seal(
        self,
        origin: Origin,
        fields: Mapping[str, NDArray[Any]],
        pixels: NDArray[np.uint8],
        *,
        request_id: str = "",
        file_format: Literal["png", "jpeg", "webp"] | None = None,
        quality: int | None = None,
    ) -> Sealed:
        """The receipt of one picture, and its text.

        Args:
            origin: the model that made it.
            fields: every input of this picture by name, checked, without the batch axis or with one of length 1.
            pixels: UINT8 of shape (height, width, channels).
            request_id: of the request.
            file_format: that the picture is encoded in.
            quality: 0 to 100, of a lossy encoding.
        """
        varying: dict[str, Any] = {
            "created": now(),
            "fields": {name: _dumped(field_value(value)) for name, value in fields.items()},
            "file_format": file_format,
            "pixels_sha256": pixels_sha256(pixels),
            "quality": quality,
            "request_id": request_id,
            "shape": pixels.shape,
            "signer": None if self.public is None else self.public.text,
        }
        said = {name: value for name, value in varying.items() if value is not None}
        canonical = _compact(_checked(origin) | said)
        checksum = hashlib.sha256(canonical).hexdigest()
        # To write the whole document once more would take as long as all else that is left of a small picture.
        seal = f'"checksum":"{checksum}"'
        if self._key is not None:
            seal += f',"signature":"{self._key.sign(canonical).hex()}"'
        return Sealed(f"{canonical[:-1].decode()},{seal}}}", checksum)


@lru_cache(256)
def _checked(origin: Origin) -> dict[str, Any]:
    """What receipts of a model have in common, checked once."""
    receipt = Receipt(
        **vars(origin),
        fields={},
        pixels_sha256="0" * 64,
        shape=(1, 1, 1),
        created="2026-01-31T12:00:00.000Z",
        litho_version=__version__,
    )
    common = {*vars(origin), "schema_version", "litho_version"}
    return receipt.model_dump(mode="json", exclude_none=True, include=common)


def _dumped(value: Value) -> Any:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, ArrayRecord) else value


def parse_receipt(content: bytes, where: str = "the receipt") -> Receipt:
    """Read a receipt as JSON; nothing is checked but its form.

    Args:
        content: JSON in UTF-8.
        where: what to call it in messages.

    Raises:
        SchemaError: it is no receipt, is too long, or a newer litho wrote it.
    """
    return parse_as(Receipt, "a receipt", Path(where), content[: MOST_RECEIPT_BYTES + 1], SCHEMA_VERSION)


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's elements in row-major order, as 64 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def field_value(value: Any) -> Value:
    """One picture's value of a field as receipts hold it.

    A number of FP32 becomes the shortest decimal that is read back as the same FP32.

    Args:
        value: a number, a text, or an array of INT64, FP32, UINT8 or text; a batch axis of length 1 may be in front of
            a scalar.
    """
    array = np.asarray(value)
    if array.size == 1 and array.ndim <= 1:
        item = array.reshape(-1)[0]
        return _text(item) if array.dtype.kind in "OSU" else _number(item)
    dtype: Any = _DTYPES[array.dtype.kind]
    inline = dtype != "UINT8" and array.size <= MOST_INLINE_ELEMENTS
    return ArrayRecord(
        dtype=dtype,
        shape=array.shape,
        sha256=elements_sha256(array),
        values=tuple(_number(one) for one in _little(array).reshape(-1)) if inline else None,
    )


def elements_sha256(array: NDArray[Any]) -> str:
    """SHA-256 of the elements of an array of INT64, FP32 or UINT8, as `ArrayRecord` has it."""
    return hashlib.sha256(_little(array).data).hexdigest()


def _little(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, _LITTLE[_DTYPES[array.dtype.kind]])


_DTYPES = {"i": "INT64", "f": "FP32", "u": "UINT8"}
_LITTLE = {"INT64": "<i8", "FP32": "<f4", "UINT8": "u1"}


def _number(item: Any) -> int | float:
    return float(str(np.float32(item))) if isinstance(item, float | np.floating) else int(item)


def _text(item: Any) -> str:
    return item.decode() if isinstance(item, bytes) else str(item)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Made once: to make it takes as long as to write a receipt."""


def _compact(document: Mapping[str, Any]) -> bytes:
    return _CANONICAL.encode(document).encode()
