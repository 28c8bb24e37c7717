"""The record of a compiled engine: its library, target GPU, options and measured layer precisions.

An engine is machine code for one library version and one kind of GPU. Runtimes report a wrong engine late and
unclearly; `refuse_other_machine` does so before the runtime opens it. This module knows no runtime.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AliasChoices, Field as Constraint

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
    """Provenance of one engine and where it may run; part of its variant in the manifest.

    Args:
        library: name of the runner whose library built it.
        version: of that library.
        target: compute capability of the GPUs that it runs on, for example "sm86".
        gpu: name of the GPU that it was built on; None if it was built ahead of time.
        system: operating system and processor, for example "linux-x86_64".
        profiles: batches of each optimisation profile.
        workspace_bytes: the builder's limit of scratch memory; None for no limit.
        tf32: whether FP32 products may be rounded to TF32.
        version_compatible: whether later versions of the same major version can open it.
        hardware_compatible: the other GPUs that it runs on.
        stripped: whether it has no weights and takes them from the graph beside it.
        timing_cache_sha256: of the timing cache at the end of the build; None for a library without one.
        read_back: source of the layers' precisions: the finished engine's "inspector", or the "builder", which lists
            the layers of the engine that it has just built.
        layers: precision -> number of layers of the engine.
        products: node of the graph -> precision of its convolution or matrix product.
        fp32_layers: nodes of the graph that are meant to stay in FP32.
        build_seconds: time that building it took; None in a bundle that was exported without timings.
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
    build_seconds: float | None = None


@dataclass(frozen=True)
class Machine:
    """The machine that is to open an engine.

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
    """Refuse an engine that was built for another machine.

    Args:
        name: of the engine, for the message.
        record: of the engine.
        found: the machine that is to open it.

    Raises:
        DeviceError: names each difference between this machine and the one that the engine was built for.
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
            " build one here with 'litho build-engine BUNDLE', or run an ONNX variant"
        )


def choose_profile(profiles: Sequence[Profile], batch: int) -> int:
    """Index of the profile for a batch: among those that take it, the one with the nearest preferred batch.

    Raises:
        InvalidInput: no profile takes the batch.
    """
    able = [index for index, (least, _, most) in enumerate(profiles) if least <= batch <= most]
    if not able:
        allowed = ", ".join(f"{least} to {most}" for least, _, most in profiles)
        raise InvalidInput(f"a batch of {batch} is outside the engine's profiles (allowed: {allowed})")
    return min(able, key=lambda index: abs(profiles[index][1] - batch))


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
