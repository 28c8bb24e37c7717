"""Quality in the same run: pictures that came back under load, against those of the probes."""

from __future__ import annotations

from ....bundle.json_documents import Document

__all__ = ["Quality"]


class Quality(Document):
    """Pictures that were checked.

    Args:
        pictures: number of pictures checked.
        wrong: number of them outside the limits of a single picture.
        worst_difference: largest difference of a pixel, in grey levels of 0 to 255; None if the shapes differ.
        psnr_min_db: PSNR of the worst picture, in decibels; None likewise.
        against: where the right pictures come from.
        precision: whose limits apply.
        reason: why the pictures fail these limits; empty if they pass.
    """

    pictures: int
    wrong: int
    worst_difference: float | None
    psnr_min_db: float | None = None
    against: str
    precision: str = ""
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the pictures are within the limits."""
        return not self.reason
