"""The document of a measurement of registries: `results/registries.json`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as Constraint

from ...bundle.json_documents import Document
from ..shared.machine import Machine

__all__ = ["Refusal", "RegistriesResult", "RegistryRun"]

Seconds = Annotated[float, Constraint(gt=0)]
Bytes = Annotated[int, Constraint(ge=0)]


class Refusal(Document):
    """One fault in a registry, and what `litho pull` said.

    Args:
        fault: what was done to the upload.
        file: that was touched, whose name has to be in the message; empty if there is none.
        message: the error; empty if nothing was refused.
        left: whether anything was put in place.
    """

    fault: str
    file: str
    message: str
    left: bool

    @property
    def good(self) -> bool:
        """Whether it was refused by name, and nothing was put in place."""
        return bool(self.message) and self.file in self.message and not self.left


class RegistryRun(Document):
    """One kind of registry.

    Args:
        kind: "folder" or "oci".
        push_seconds, pull_seconds: of the whole upload, through the public functions.
        again_bytes: that a second push of the same sent.
        killed_pull_bytes: that had arrived when `litho pull` was killed (SIGKILL).
        continued_bytes: that the next pull received.
        killed_push_bytes: that were there when `litho push` was killed and the next push began.
        same: whether every pulled file was identical to the pushed one, after the kills too.
        refusals: of uploads that somebody touched.
    """

    kind: Literal["folder", "oci"]
    push_seconds: Seconds
    pull_seconds: Seconds
    again_bytes: Bytes
    killed_pull_bytes: Bytes
    continued_bytes: Bytes
    killed_push_bytes: Bytes
    same: bool
    refusals: tuple[Refusal, ...]


class RegistriesResult(Document):
    """All kinds of registries.

    Args:
        schema_version: of this document.
        measured_at: date and time, ISO 8601.
        command: that measured it.
        bundle: name of the bundle.
        size_bytes: of the upload.
        runs: one for each kind.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    measured_at: str
    command: str
    bundle: str
    size_bytes: Bytes
    runs: tuple[RegistryRun, ...]
    machine: Machine
