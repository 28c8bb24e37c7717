"""What to export: the request, checked, and the key by which an existing bundle is recognised as the one requested."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._version import __version__
from ..bundle import MANIFEST_NAME
from ..bundle.manifest import TOKENIZER_NAME, Aim, FileRecord, Manifest
from ..bundle.names import check_name
from ..bundle.signing import read_manifest
from ..errors import BundleError, UnknownName, UsageError
from ..files import check_folder, check_parent
from ..parity.coverage import RECIPE_KEY
from ..parity.probe_inputs import RECIPE
from ..runners.base import engine_libraries, graph_runtimes, runner_class, runtime_names
from .engines import TARGETS, engine_environment
from .engines.variants import own_target
from .external_data import MOST_BYTES
from .graph import OPSET
from .passes import pass_names
from .pipeline import Pipeline
from .precisions import precision, precision_names
from .precisions._quantizers import quantizer_names
from .report.choice import AIMS
from .source import Source
from .timing import without_timing_record
from .variant_spec import UNBUILT, VariantSpec

__all__ = ["BundleKey", "Request", "check_destination", "check_generator", "check_weights", "resolve"]

_RECORDED = (
    *("name", "family", "preset", "licence", "signature", "stages", "sampler", "aim"),
    *("checkpoint_sha256", "environment"),
)
"""Fields of the manifest that are known before anything is made."""


@dataclass(frozen=True)
class BundleKey:
    """Everything that determines the contents of a bundle: two bundles with equal keys hold the same.

    Args:
        recorded: fields of the manifest, name -> value.
        tokenizer: size and hash of the tokenizer's file; None without one.
        variants: the variants that are made.
        timed: whether the variants are timed.
    """

    recorded: Mapping[str, Any]
    tokenizer: FileRecord | None
    variants: frozenset[VariantSpec]
    timed: bool

    @classmethod
    def of(cls, manifest: Manifest) -> BundleKey:
        """The key of an existing bundle."""
        environment = without_timing_record(manifest.environment)
        return cls(
            {name: getattr(manifest, name) for name in _RECORDED} | {"environment": environment},
            manifest.files.get(TOKENIZER_NAME),
            frozenset(map(VariantSpec.of, manifest.variants)),
            any(variant.timings for variant in manifest.variants),
        )

    def satisfied_by(self, manifest: Manifest) -> bool:
        """Whether a bundle is the one requested; timings that were not requested do not matter."""
        return BundleKey.of(manifest) in (self, replace(self, timed=True))


@dataclass(frozen=True)
class Request:
    """What was asked for, without what it is made from.

    Args:
        name: of the bundle.
        runtimes, targets, precisions: known names.
        without: graph passes that are left out.
        aim: what the recommended variant is to be best at.
        timed: whether variants are timed.
        calibration: data to calibrate with; None for the data that the generator was trained on.
        fixed: integer inputs with a fixed value.
        size: of the pictures that come in, as on the command line; None for the generator's own.
        quantizer: of INT8 and FP8, one of `quantizer_names`.
        external_data: whether weights lie beside every graph.
    """

    name: str
    runtimes: tuple[str, ...]
    targets: tuple[str, ...]
    precisions: tuple[str, ...]
    without: tuple[str, ...] = ()
    aim: Aim = "throughput"
    timed: bool = True
    calibration: str | None = None
    fixed: tuple[tuple[str, int], ...] = ()
    size: str | None = None
    quantizer: str = "litho"
    external_data: bool = False

    @property
    def graph_runtimes(self) -> tuple[str, ...]:
        """Runtimes that run ONNX graphs: ONNX Runtime always, others on request."""
        return tuple(name for name in graph_runtimes() if name == "onnxruntime" or name in self.runtimes)

    @property
    def calibrated(self) -> bool:
        """Whether a precision needs calibration."""
        return any(precision(name).calibrated for name in self.precisions)

    def specs(self, stage: str) -> Iterator[VariantSpec]:
        """The variants of a stage, by precision; of each precision, graphs come before engines."""
        for name in self.precisions:
            for runtime in self.graph_runtimes:
                yield VariantSpec(stage, name, runtime)
            for runtime in self.runtimes:
                for target in self._targets(runtime):
                    if target == UNBUILT or precision(name).runs_on(target):
                        yield VariantSpec(stage, name, runtime, target)

    def _targets(self, runtime: str) -> tuple[str, ...]:
        """The targets of a runtime's engines; empty for a runtime without engines."""
        library = runner_class(runtime).library
        if library is None:
            return ()
        return self.targets if library.ahead_of_time else (own_target(runtime),)

    def key(self, source: Source, environment: Mapping[str, str]) -> BundleKey:
        """The key of the bundle that this request makes from `source` in `environment`."""
        pipeline, tokenizer = source.pipeline, source.pipeline.tokenizer
        recorded = {
            "name": self.name,
            "family": source.family,
            "preset": source.preset,
            "licence": source.licence,
            "signature": pipeline.signature,
            "stages": pipeline.described,
            "sampler": pipeline.sampler,
            "aim": self.aim,
            "checkpoint_sha256": source.weights_sha256,
            "environment": environment,
        }
        specs = frozenset(spec for stage in pipeline.stages for spec in self.specs(stage))
        record = None if tokenizer is None else FileRecord.of(tokenizer.encode())
        return BundleKey(recorded, record, specs, self.timed)

    def environment(self, *, tokenizer: bool, calibration_sha256: str | None) -> dict[str, str]:
        """The versions of everything that makes the bundle, and the settings that no other field of it records.

        Args:
            tokenizer: whether the generator takes prompts.
            calibration_sha256: hash of the pictures to calibrate with; None if no pictures are needed.
        """
        before, after = ("torch", "onnx", "onnxscript"), ("numpy", *(["tokenizers"] if tokenizer else []))
        versions = {
            **{name: version(name) for name in before},
            **{name: runner_class(name).version() for name in self.graph_runtimes},
            **{name: version(name) for name in after},
        }
        settings = {
            "without": ",".join(self.without),
            "fixed": ",".join(f"{name}={value}" for name, value in self.fixed),
            "size": self.size,
            "calibration": self.calibration,
            "calibration_sha256": calibration_sha256,
            "external_data": "yes" if self.external_data else None,
            "quantizer": self.quantizer if self.calibrated and self.quantizer != "litho" else None,
        }
        return {
            "litho": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            **versions,
            "opset": str(OPSET),
            RECIPE_KEY: RECIPE,
            **{name: value for name, value in settings.items() if value},
            **engine_environment([name for name in self.runtimes if name in engine_libraries()]),
        }


def check_destination(to: Path) -> None:
    """Refuse a path where no bundle can be written, before the work whose result would be lost.

    Args:
        to: directory of the bundle; its last part is the bundle's name.

    Raises:
        UsageError: the name is not allowed, something else lies there, or nothing may be written there.
    """
    check_name(to.name, f"--to was given {str(to)!r}; the bundle's name")
    check_folder(to, "--to")
    check_parent(to, "--to")
    if to.exists() and any(to.iterdir()) and not (to / MANIFEST_NAME).exists():
        raise UsageError(f"{to} is not empty and is not a bundle; give another --to")


def check_generator(to: Path, source: Source) -> None:
    """Refuse to replace the bundle of another generator: one of another family, or with other weights.

    Args:
        to: directory of the bundle. One that cannot be read may be replaced: a new export is its remedy.
        source: what is exported.

    Raises:
        UsageError: the bundle holds another generator.
    """
    try:
        present = read_manifest(to)
    except BundleError:
        return
    if present.family != source.family:
        held = f"a generator of {present.family}, not of {source.family}"
    elif present.checkpoint_sha256 != source.weights_sha256:
        held = f"other weights of {present.family}"
    else:
        return
    raise UsageError(f"the bundle at {str(to)!r} holds {held}; give --replace, or another --to")


def resolve(request: Request) -> Request:
    """The request itself, if it can be met.

    Raises:
        UnknownName: a name is unknown.
        UsageError: engines without a target, a target without engines, a precision that no target computes in, or a
            precision without a pass that it needs.
    """
    for kind, given, known in (
        ("precision", request.precisions, precision_names()),
        ("runtime", request.runtimes, runtime_names()),
        ("target", request.targets, TARGETS),
        ("pass", request.without, pass_names()),
        ("aim", (request.aim,), AIMS),
        ("quantizer", (request.quantizer,), quantizer_names()),
    ):
        for item in given:
            if item not in known:
                raise UnknownName(kind, item, known)
    libraries = engine_libraries()
    ahead = [name for name in request.runtimes if name in libraries and libraries[name].ahead_of_time]
    if ahead and not request.targets:
        raise UsageError(f"{ahead[0]} needs a target; add --target with one or more of {', '.join(TARGETS)}")
    if request.targets and not ahead:
        raise UsageError("--target is for engines built ahead of time; add tensorrt-rtx to --runtime")
    for name in request.precisions:
        if request.targets and not any(precision(name).runs_on(target) for target in request.targets):
            raise UsageError(
                f"no target of {', '.join(request.targets)} computes in {name};"
                f" it needs {precision(name).least_target} or newer"
            )
        if left_out := set(precision(name).passes) & set(request.without):
            raise UsageError(
                f"precision {name!r} needs the pass {left_out.pop()!r}; remove it from --without"
            )
    return request


def check_weights(request: Request, pipeline: Pipeline) -> None:
    """Refuse what is not made of a graph with its weights beside it, before any work is done.

    Raises:
        UsageError: the weights of a graph will lie beside it, and another runtime than ONNX Runtime, or a calibrated
            precision, is asked for.
    """
    sizes = {
        name: sum(one.nbytes for one in module.state_dict().values())
        for name, (module, _) in pipeline.stages.items()
    }
    if request.external_data:
        why = "--external-data puts the weights of every graph into a file beside it"
    elif (large := max(sizes, key=lambda name: sizes[name])) and sizes[large] > MOST_BYTES:
        why = (
            f"the weights of the {large} have {sizes[large] / (1 << 30):.1f} GiB, which lie beside its graph"
        )
    else:
        return
    runtimes = [name for name in request.runtimes if name != "onnxruntime"]
    lower = [name for name in request.precisions if precision(name).calibrated]
    if runtimes or lower:
        allowed = ", ".join(name for name in precision_names() if not precision(name).calibrated)
        raise UsageError(
            f"{why}; of such a graph litho makes variants for onnxruntime in {allowed}: leave out"
            f" {', '.join((*runtimes, *lower))}, or export a smaller part of the generator"
        )
