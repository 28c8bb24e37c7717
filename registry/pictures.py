"""The picture of a model card: probes of a bundle, or the newest samples of a run."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from ..bundle.probes import in_words
from ..errors import BundleError
from ..files import ordinary_file
from ..reporting import picture_grid, png
from .package import PICTURES
from .packing import Packed

__all__ = ["CardPicture", "make_picture"]

_COUNT = 16
_MOST_PIXELS = 1536
"""Width and height of the picture at most."""

_MOST_BYTES = 32 << 20
_PROMPTS = 8


@dataclass(frozen=True)
class CardPicture:
    """A picture for a card.

    Args:
        path: in the upload.
        content: of a PNG file.
        shows: what it shows, for those who do not see it.
        caption: lines below it.
    """

    path: str
    content: bytes
    shows: str
    caption: tuple[str, ...] = ()


def make_picture(packed: Packed) -> CardPicture | None:
    """The picture of an upload; None if there is nothing to show."""
    if packed.bundle is not None:
        probes = packed.bundle.probes().first(_COUNT)
        grid = picture_grid(probes.images, columns=4)
        count = len(probes.images)
        caption = (
            f"{count} probes, as PyTorch made them in FP32; every variant was compared with these and others."
        )
        # A file of arrays has no order of its own, and the same files must have the same card.
        fields = packed.bundle.manifest.signature.inputs
        inputs = {field.name: probes.inputs[field.name] for field in fields if field.name in probes.inputs}
        described = (in_words(inputs, row) for row in range(min(count, _PROMPTS)))
        first = "; ".join(words for words in described if words)
        shows = f"{count} pictures of the generator" + (f": {first}" if first else "")
        return CardPicture(PICTURES[0], _png(grid), shows, (caption,))
    assert packed.run is not None, "a package is of a bundle or of a run"
    if packed.run.samples is None:
        return None
    file = ordinary_file(packed.root, packed.run.samples)
    if file.stat().st_size > _MOST_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(file.read_bytes()), formats=["PNG"]) as image:
            image.load()
            content = _png(image)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise BundleError(f"{file} is not a PNG file; remove it, or train again") from None
    return CardPicture(
        PICTURES[1],
        content,
        "samples of the generator",
        ("Samples of the end of the training.",),
    )


def _png(image: Image.Image) -> bytes:
    if max(image.size) > _MOST_PIXELS:
        image = image.copy()
        image.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    return png(image)
