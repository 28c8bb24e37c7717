"""docs/registry.md: pushed, pulled, killed and damaged, in a folder and in an OCI registry."""

from __future__ import annotations

from ...reporting import human_bytes
from ..registries.documents import RegistriesResult, RegistryRun
from .base import Results, paragraph, table, three_digits

__all__ = ["write"]

_NAMES = {"folder": "folder", "oci": "`docker-registry`"}
_HEAD = (
    "registry",
    "push, MiB/s",
    "pull, MiB/s",
    "sent by a second push",
    "there after a killed pull",
    "received by the next",
    "faults refused by name",
)


def write(results: Results) -> dict[str, str]:
    """The table of all kinds, and where they were measured."""
    found = results.document(RegistriesResult, "registries")
    said = (
        f"`{found.command}`, {human_bytes(found.size_bytes)}, on {found.machine.processor}, {found.machine.cores}"
        f" cores, {found.measured_at[:10]}:"
    )
    rows = (_row(run, found.size_bytes / (1 << 20)) for run in found.runs)
    return {"": table(_HEAD, rows), "where": paragraph(said)}


def _row(run: RegistryRun, mib: float) -> tuple[str, ...]:
    return (
        _NAMES[run.kind],
        three_digits(mib / run.push_seconds),
        three_digits(mib / run.pull_seconds),
        human_bytes(run.again_bytes),
        human_bytes(run.killed_pull_bytes),
        human_bytes(run.continued_bytes),
        f"{sum(one.good for one in run.refusals)} of {len(run.refusals)}",
    )
