"""What a peer in this process declares, and what it makes pictures with.

Those that quantize get what litho's own quantizer gets: the same FP32 graph, the same calibration inputs, and the
noise and the rounding of pixels left as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from ....errors import LithoError, UnknownName
from ....export.calibration import calibrate, calibration_inputs
from ....export.graph import export_graph
from ....export.passes import apply_passes, default_passes
from ....export.pipeline import Pipeline
from ....export.precisions import Inputs, precision
from ....extras import require
from ....plugins import load_plugins
from ....runners.openvino import Runner as OpenVINO
from ....signature.fields import Role
from ....signature.noise import NOISE, gaussian
from ...shared.candidates import Candidate
from ..documents import NotMeasured

__all__ = ["Form", "Made", "Peer", "Source", "installed", "lacks_provider", "make_peers", "peer_names"]

_FOLDER = "litho.benchmarks.peers.in_process"


@dataclass(frozen=True)
class Source:
    """What the peers make pictures with.

    Args:
        pipeline: of one stage.
        data: name of the data that it was trained on.
        device: "cpu" or "cuda".
    """

    pipeline: Pipeline
    data: str | None
    device: str = "cpu"

    @cached_property
    def plain(self) -> bytes:
        """The graph as it is exported."""
        return export_graph(self.pipeline.model, self.pipeline.signature, {})

    @cached_property
    def rewritten(self) -> bytes:
        """The graph with the passes that litho quantizes after."""
        return apply_passes(self.plain, {*default_passes(), *precision("int8").passes})[0]

    @cached_property
    def calibration(self) -> list[Inputs]:
        """Inputs, batch by batch."""
        (stage,) = self.pipeline.stages
        inputs = calibration_inputs(self.pipeline, self.data)
        return calibrate(self.pipeline, {stage: self.plain}, inputs)[stage]

    def with_noise(self, graph: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        """A graph that takes its noise as an input, and the calibration inputs of it."""
        given, _ = apply_passes(graph, OpenVINO.passes)
        model = require("onnx", "export").load_from_string(given)
        names = [value.name for value in model.graph.input]
        seeds = [field.name for field in self.pipeline.signature.inputs if field.role is Role.SEED]
        batches = []
        for batch in self.calibration:
            values = dict(batch)
            if NOISE in names:
                shape = next(
                    value for value in model.graph.input if value.name == NOISE
                ).type.tensor_type.shape
                values[NOISE] = gaussian(np.asarray(values[seeds[0]]), shape.dim[1].dim_value)
            batches.append({name: values[name] for name in names})
        return given, batches


@dataclass(frozen=True)
class Form:
    """One way to use a tool.

    Args:
        candidate: makes the pictures.
        settings: in words, what is not the tool's default.
    """

    candidate: Candidate
    settings: str = ""


class Peer(ABC):
    """A tool that makes the pictures without litho: the class `Peer` of a module of this folder.

    Attributes:
        order: place in tables.
        packages: that it consists of; one that is not installed leaves it out.
        devices: on which it is measured.
    """

    order: int
    packages: tuple[str, ...]
    devices: tuple[str, ...] = ("cpu", "cuda")

    def lacks(self, device: str) -> str:
        """What it needs and this machine lacks, in a sentence; empty if nothing."""
        if device not in self.devices:
            return f"it is measured on {' and '.join(self.devices)}, and this is {device}"
        missing = [name for name in self.packages if not installed(name)]
        return f"{', '.join(missing)} is not installed" if missing else ""

    def versions(self) -> dict[str, str]:
        """Package -> version."""
        return {name: _distribution(name) or "" for name in self.packages}

    @abstractmethod
    def forms(self, source: Source) -> Mapping[str, Form]:
        """Name -> form, ready to be opened."""


@dataclass(frozen=True)
class Made:
    """A form that is ready to be measured.

    Args:
        form: of the peer.
        versions: of the peer.
    """

    form: Form
    versions: dict[str, str]


def installed(package: str) -> bool:
    """Whether a package and its module are there."""
    return _distribution(package) is not None and find_spec(package) is not None


def _distribution(package: str) -> str | None:
    """The version of an installed package, which has another name where it is built for GPUs."""
    for name in (package, f"{package}-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def lacks_provider(device: str, provider: str) -> str:
    """Which execution provider ONNX Runtime lacks on a GPU, in a sentence; empty if none."""
    if device == "cpu" or provider in require("onnxruntime", "gpu").get_available_providers():
        return ""
    return f"this build of onnxruntime has no {provider}; install onnxruntime-gpu"


def peer_names() -> list[str]:
    """Names of the peers in the order of tables, as options take them."""
    return list(_peers())


def make_peers(
    source: Source, without: Collection[str] = ()
) -> tuple[dict[str, Made], tuple[NotMeasured, ...]]:
    """The forms of all peers, name -> form, and those that are not measured.

    Args:
        source: what they make pictures with.
        without: names of peers that are left out.

    Raises:
        UnknownName: there is no such peer.
    """
    peers = _peers()
    left_out = {name.replace("_", "-") for name in without}
    for name in sorted(left_out - set(peers)):
        raise UnknownName("peer", name, list(peers))
    made: dict[str, Made] = {}
    missing: list[NotMeasured] = []
    for name, peer in peers.items():
        reason = "it was left out with --without" if name in left_out else peer.lacks(source.device)
        if not reason:
            try:
                forms = peer.forms(source)
                made |= {title: Made(form, peer.versions()) for title, form in forms.items()}
                continue
            except LithoError as error:
                reason = str(error)
        missing.append(NotMeasured(name=name, reason=reason))
    return made, tuple(missing)


def _peers() -> dict[str, Peer]:
    found = {name.replace("_", "-"): module.Peer() for name, module in load_plugins(_FOLDER).items()}
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
