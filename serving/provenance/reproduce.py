"""Make the picture of a receipt again, and say whether it is the same, and by how much it differs.

What counts as the same is what the precisions promise: at most one grey level and 99.9 % of the values in FP32, the
limits of `parity.gate` for one picture in the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bundle import MANIFEST_NAME, Bundle
from ...bundle.keys import PublicKey
from ...bundle.signing import read_manifest
from ...errors import DataError, ProofError, UsageError
from ...runners import Runner, open_runner
from ...runners.triton import Runner as TritonRunner
from .difference import Judgement, decode, judge_picture, limits_of_one
from .picture_metadata import picture_format, read_receipt
from .receipt import BUNDLE_PARAMETER, Receipt, parse_receipt
from .receipt_inputs import MOST_FILE_BYTES, in_a_batch, inputs_of

__all__ = ["Again", "Reproduction", "find_bundle", "read_picture_receipt", "reproduce"]


@dataclass(frozen=True)
class Again:
    """How a picture is made again.

    Args:
        variant: of the bundle; None for the receipt's own.
        batch: pictures that are made at once; the others are of other inputs.
        device: "cpu" or "cuda".
        files: field name -> file, for fields of which the receipt has only the hash.
    """

    variant: str | None = None
    batch: int = 1
    device: str = "cpu"
    files: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Reproduction:
    """A picture that was made again.

    Args:
        receipt: of the first one.
        judgement: whether it is the same picture, and by how much it differs.
        made_by: variant, runtime and device of the new one.
        pixels: the new one, UINT8 of shape (height, width, channels).
        notes: what else should be known.
    """

    receipt: Receipt
    judgement: Judgement
    made_by: str
    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def reproduce(
    picture: Path | str,
    target: Path | str,
    again: Again | None = None,
    *,
    key: PublicKey | Path | str | None = None,
    receipt_file: Path | None = None,
) -> Reproduction:
    """Make the picture of a file again, and say whether it is the same.

        >>> made = reproduce_picture("picture.png", "bundles/digits")
        >>> made.judgement.same, made.judgement.difference.levels, made.receipt.fields["seed"]
        (True, 0, 7)

    Args:
        picture: PNG, JPEG or WebP with a receipt.
        target: a bundle, or an endpoint grpc://HOST:PORT/MODEL.
        again: how; by default as it was made, alone.
        key: public key that must have signed the receipt, or its PEM file.
        receipt_file: JSON file of the receipt, for a picture that lost it.

    Raises:
        UsageError: a file is missing, is no picture or is not the one of the receipt, or the batch is too large.
        DataError: the picture cannot be read, was cropped or resized, or has no receipt.
        IntegrityError, TrustError: the receipt has changed, or another signed it.
        ProofError: the target has other weights than the receipt's.
    """
    again = again or Again()
    receipt = read_picture_receipt(picture, receipt_file)
    receipt.check(PublicKey.read(key) if isinstance(key, Path | str) else key)
    shown = decode(_read_picture(Path(picture)), receipt, str(picture))
    with _opened(target, receipt, again) as runner:
        notes = _compared_models(runner, target, receipt)
        pixels = _made(runner, receipt, again)
        made_by, precisions = runner.description, runner.precision.split(",")
    if pixels.shape != receipt.shape:
        raise ProofError(
            f"{target} made a picture of shape {pixels.shape}, the receipt's has {receipt.shape}; name the bundle"
            " that the receipt names"
        )
    judgement = judge_picture(receipt, shown, pixels, limits_of_one(receipt, precisions))
    return Reproduction(receipt, judgement, made_by, pixels, notes)


def read_picture_receipt(picture: Path | str, receipt_file: Path | None = None) -> Receipt:
    """The receipt of a picture's file; whether it has changed is not checked.

    Args:
        picture: PNG, JPEG or WebP.
        receipt_file: JSON file of the receipt, for a picture that lost it.

    Raises:
        UsageError: there is no such file, it is no PNG, JPEG or WebP, or it is too large.
        DataError: the picture cannot be read, or has no receipt.
        SchemaError: what it holds is no receipt.
    """
    if receipt_file is not None:
        return parse_receipt(_read_file(receipt_file), str(receipt_file))
    try:
        return read_receipt(_read_picture(Path(picture)))
    except DataError as error:
        raise DataError(f"{picture}: {error}") from None


def find_bundle(receipt: Receipt, folder: Path) -> Path:
    """The bundle in a folder of bundles that a receipt names, or else one of the same weights.

    Raises:
        UsageError: there is none.
    """
    by_weights: Path | None = None
    for manifest in sorted(folder.glob(f"*/{MANIFEST_NAME}")):
        content = manifest.read_bytes()
        if hashlib.sha256(content).hexdigest() == receipt.bundle_sha256:
            return manifest.parent
        if receipt.checkpoint_sha256 and receipt.checkpoint_sha256.encode() in content:
            by_weights = by_weights or manifest.parent
    if by_weights is None:
        raise UsageError(
            f"no bundle in {folder} has the weights {receipt.checkpoint_sha256[:12]} that the receipt names; give it"
            " with --bundle, or a server with --endpoint"
        )
    return by_weights


def _read_picture(path: Path) -> bytes:
    content = _read_file(path)
    try:
        picture_format(content)
    except DataError as error:
        raise UsageError(f"{path}: {error}") from None
    return content


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise UsageError(f"there is no picture {str(path)!r}; expected a PNG, JPEG or WebP file")
    if path.stat().st_size > MOST_FILE_BYTES:
        raise UsageError(f"{path} has {path.stat().st_size} bytes; a picture has at most {MOST_FILE_BYTES}")
    return path.read_bytes()


def _opened(target: Path | str, receipt: Receipt, again: Again) -> Runner:
    if isinstance(target, str) and "://" in target:
        if again.variant is not None:
            raise UsageError("a server has one variant for a model; leave --variant out, or give --bundle")
        return open_runner(target, device=again.device)
    bundle = Bundle.load(target)
    known = {variant.name for variant in bundle.manifest.variants}
    own = receipt.variant if set(receipt.variant.split(",")) <= known else None
    return open_runner(bundle, again.variant or own, device=again.device)


def _compared_models(runner: Runner, target: Path | str, receipt: Receipt) -> tuple[str, ...]:
    """Notes on what differs from the receipt; other weights are an error."""
    if isinstance(runner, TritonRunner):
        weights, bundle = runner.served.checkpoint_sha256, runner.parameters.get(BUNDLE_PARAMETER, "")
    else:
        weights = read_manifest(Path(target)).checkpoint_sha256
        bundle = hashlib.sha256((Path(target) / MANIFEST_NAME).read_bytes()).hexdigest()
    if weights != receipt.checkpoint_sha256:
        raise ProofError(
            f"{target} has the weights {weights[:12]}, the receipt names {receipt.checkpoint_sha256[:12]}: another"
            " model made the picture; give that one's bundle"
        )
    notes = []
    if bundle != receipt.bundle_sha256:
        notes.append(f"{target} is another export of these weights than the one that the receipt names")
    if runner.variant != receipt.variant:
        notes.append(f"the receipt names variant {receipt.variant}")
    if "same distribution" in (runner.grade, receipt.grade):
        notes.append("a variant promises the same distribution, and not each picture")
    return tuple(notes)


def _made(runner: Runner, receipt: Receipt, again: Again) -> NDArray[np.uint8]:
    """The picture, made in the middle of a batch."""
    if not 1 <= again.batch <= runner.max_batch_size:
        raise UsageError(f"the batch was given as {again.batch}; allowed are 1 to {runner.max_batch_size}")
    row = again.batch // 2
    inputs = inputs_of(runner.signature, receipt, again.files or {})
    inputs = in_a_batch(runner.signature, inputs, again.batch, row)
    return runner.run(inputs)[runner.signature.output.name][row]
