"""docs/data.md: reading and training from streams against memory, and a pass that was cut."""

from __future__ import annotations

from ...reporting import human_bytes
from ..streaming.documents import Streaming
from .base import Results, paragraph, table

__all__ = ["write"]

_READ = ("pictures in", "first batch, s", "images/s, read", "memory", "images/s, trained")
_CUT = ("a pass cut in its middle", "pictures", "lost", "twice")


def write(results: Results) -> dict[str, str]:
    """The table of the ways, `cut` for the three libraries, and `where`: the pictures, the machine, the kills."""
    found = results.document(Streaming, "streaming")
    trained = {one.way: f"{one.images_per_second:,.0f}" for one in found.trained}
    read = [
        (
            one.way,
            f"{one.first_batch_seconds:.1f}",
            f"{one.images_per_second:,.0f}",
            human_bytes(one.memory_bytes),
            trained[one.way],
        )
        for one in found.speeds
    ]
    cut = [(one.way, f"{one.pictures:,}", f"{one.lost:,}", f"{one.twice:,}") for one in found.resumes]
    height, width, channels = found.picture
    machine, killed = found.machine, found.killed
    same = "ended with the same weights, bit for bit" if killed.same else "**ended with other weights**"
    where = (
        f"{found.pictures:,} pictures of {width}x{height}x{channels}, {human_bytes(found.encoded_bytes)} as tar"
        f" files, on {machine.processor}, {machine.cores} cores; the S3 server ran on the same cores. A"
        f" training on it that was killed {killed.kills} times {same}."
    )
    return {"": table(_READ, read), "cut": table(_CUT, cut), "where": paragraph(where)}
