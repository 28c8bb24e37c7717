"""What is known of a compiled engine - for which machine, from what, in which precisions - and whether it fits here.

An engine is machine code for one library version and one kind of GPU. A runtime that is handed a foreign one says
so late and obscurely; `refuse_other_machine` says it before the runtime is asked. This module knows no runtime.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AliasChoices
from pydantic import Field as Constraint

from ..errors import DeviceError, InvalidInput
from .json_documents import Document

__all__ = [
    "EngineRecord",
    "Machine",
    "Profile",
    "choose_profile",
    "refuse_other_machine",
    "this_system",
]

Profile = tuple[int, int, int]
"""Smallest, preferred and largest batch of one optimisation profile."""

FP32Layers = Annotated[
    tuple[str, ...],
    Constraint(validation_alias=AliasChoices("fp32_layers", "kept"), serialization_alias="kept"),
]
"""Layers that stay in FP32; JSON has them under the key `kept`."""


class EngineRecord(Document):
    """Where one engine comes from and where it may run; part of its variant in the manifest.

    Args:
        library: name of the runner whose library built it.
        version: of the library that built it.
        target: compute capability that it was built for, for example "sm86".
        gpu: name of the GPU that it was built on; None when it was built ahead of time.
        system: operating system and processor that it runs under, for example "linux-x86_64".
        profiles: batches of each optimisation profile.
        workspace_bytes: the builder's limit of scratch memory; None for all there is.
        tf32: whether FP32 products may be rounded to TF32.
        version_compatible: whether later versions of the same major one may open it.
        hardware_compatible: on which other GPUs it runs.
        stripped: whether its weights were left out, to be taken from the graph beside it.
        timing_cache_sha256: of the timing cache that the build ended with; None for a library that keeps none.
        read_back: what said which layer computes in which precision: the finished engine's "inspector", or the
            "builder", which lists the layers of the engine that it has just made.
        layers: precision -> number of the engine's layers.
        products: node of the graph -> precision that its convolution or matrix product is computed in.
        fp32_layers: nodes that were meant to keep a higher precision than the engine's.
    """

    library: str
    version: str
    target: Annotated[str, Constraint(pattern=r"^sm\d+$")]
    gpu: str | None = None
    system: str
    profiles: tuple[Profile, ...]
    workspace_bytes: int | None = None
    tf32: bool = False
    version_compatible: bool = False
    hardware_compatible: Literal["none", "same-capability", "ampere-and-later"] = "none"
    stripped: bool = False
    timing_cache_sha256: str | None = None
    read_back: Literal["builder", "inspector"]
    layers: dict[str, int]
    products: dict[str, str]
    fp32_layers: FP32Layers = ()


@dataclass(frozen=True)
class Machine:
    """What was found where an engine is to be opened.

    Args:
        library: the engine's library, as messages call it: "TensorRT-RTX".
        version: of that library.
        target: the GPU's compute capability, for example "sm86".
        gpu: the GPU's name.
        system: as `this_system` says.
    """

    library: str
    version: str
    target: str
    gpu: str
    system: str


def this_system() -> str:
    """Operating system and processor, for example "linux-x86_64"."""
    return f"{platform.system()}-{platform.machine()}".lower()


def refuse_other_machine(name: str, record: EngineRecord, found: Machine) -> None:
    """Let an engine pass that was built for what is found here, and no other.

    Args:
        name: of the engine, for the message.
        record: of the engine.
        found: the machine that is to open it.

    Raises:
        DeviceError: in one line, what differs: what was found and what the engine was built for.
    """
    differences = [
        f"{what} {here}, it was built for {there}"
        for what, here, there, fits in (
            ("system", found.system, record.system, found.system == record.system),
            (found.library, found.version, record.version, _version_fits(record, found.version)),
            (f"{found.gpu} of", found.target, record.target, _target_fits(record, found.target)),
        )
        if not fits
    ]
    if differences:
        raise DeviceError(
            f"engine {name} does not fit this machine: found {'; found '.join(differences)};"
            " build it here with 'litho build-engine BUNDLE', or run a portable variant"
        )


def choose_profile(profiles: Sequence[Profile], batch: int) -> int:
    """The number of the profile for a batch: of those that take it, the one whose preferred batch is nearest.

    Raises:
        InvalidInput: no profile takes the batch.
    """
    taking = [number for number, (least, _, most) in enumerate(profiles) if least <= batch <= most]
    if not taking:
        allowed = ", ".join(f"{least} to {most}" for least, _, most in profiles)
        raise InvalidInput(f"a batch of {batch} is outside the engine's profiles (allowed: {allowed})")
    return min(taking, key=lambda number: abs(profiles[number][1] - batch))


def _version_fits(record: EngineRecord, found: str) -> bool:
    if found == record.version:
        return True
    here, there = _numbers(found), _numbers(record.version)
    return record.version_compatible and here[:1] == there[:1] and here >= there


def _target_fits(record: EngineRecord, found: str) -> bool:
    if record.hardware_compatible == "ampere-and-later":
        return int(found.removeprefix("sm")) >= 80
    return found == record.target


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
