"""What was measured of streams of training data; written as `streaming.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting import human_bytes
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine

__all__ = ["Killed", "Resume", "Speed", "Streaming", "Trained", "table"]


class Speed(Document):
    """Reading batches of one form of the data, and nothing else.

    Args:
        way: where the pictures are.
        first_batch_seconds: from the start to the first batch, with the index of the shards made.
        images_per_second: after the first batch.
        memory_bytes: by which reading raised the highest memory of the process.
    """

    way: str
    first_batch_seconds: float
    images_per_second: float
    memory_bytes: int


class Trained(Document):
    """A training on one form of the data.

    Args:
        way: where the pictures are.
        images_per_second: of the training, its start aside.
    """

    way: str
    images_per_second: float


class Killed(Document):
    """A training on a stream that was killed and started again.

    Args:
        way: where the pictures were.
        kills: SIGKILLs at random moments.
        same: whether its weights are those of the training that nobody killed, bit for bit.
    """

    way: str
    kills: int
    same: bool


class Resume(Document):
    """A pass that was cut.

    Args:
        way: library and call.
        pictures: of the pass.
        before: used before the cut.
        lost: pictures that came in neither part.
        twice: pictures that came in both, or more than once.
    """

    way: str
    pictures: int
    before: int
    lost: int
    twice: int


class Streaming(Document):
    """All that was measured; written as `streaming.json`.

    Args:
        bundle: that made the pictures.
        pictures: in all shards.
        picture: height, width and channels.
        encoded_bytes: of the tar files.
        speeds, trained, killed, resumes: see there.
        machine: where it was measured; the S3 server ran on it too.
    """

    schema_version: Literal[1] = 1
    bundle: str
    pictures: int
    picture: tuple[int, int, int]
    encoded_bytes: int
    speeds: tuple[Speed, ...]
    trained: tuple[Trained, ...]
    killed: Killed
    resumes: tuple[Resume, ...]
    machine: Machine

    @property
    def problems(self) -> list[str]:
        """What litho does not keep of what it promises; empty if nothing."""
        ours = self.resumes[0]
        found = [] if self.killed.same else ["the killed training ended with other weights"]
        return found + ([f"{ours.lost} pictures lost, {ours.twice} twice"] if ours.lost or ours.twice else [])


def table(result: Streaming) -> list[str]:
    """Tables in Markdown."""
    trained = {one.way: one.images_per_second for one in result.trained}
    speeds = [
        (
            one.way,
            f"{one.first_batch_seconds:.2f}",
            f"{one.images_per_second:,.0f}",
            human_bytes(one.memory_bytes),
            f"{trained[one.way]:,.0f}" if one.way in trained else "",
        )
        for one in result.speeds
    ]
    head = ("pictures in", "first batch, s", "images/s, read", "memory", "images/s, trained")
    cut = [(one.way, f"{one.pictures:,}", f"{one.lost:,}", f"{one.twice:,}") for one in result.resumes]
    same = "the same" if result.killed.same else "other"
    return [
        *markdown_table(head, speeds),
        "",
        *markdown_table(("resumed in a pass", "pictures", "lost", "twice"), cut),
        "",
        f"killed {result.killed.kills} times on {result.killed.way}: {same} weights",
    ]
