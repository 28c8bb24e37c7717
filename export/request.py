"""What an export was asked for: names checked, files named, and the versions of what will make them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

from .._version import __version__
from ..bundle.manifest import Aim
from ..errors import UnknownName, UsageError
from ..runners.base import engine_libraries, graph_runtimes, runner_class, runtime_names
from .engines import TARGETS, engine_environment
from .engines.variants import UNBUILT, engine_file, own_target
from .graph import OPSET
from .passes import pass_names
from .precisions import precision, precision_names
from .report.choice import AIMS

__all__ = ["Request", "environment_of", "resolve"]


@dataclass(frozen=True)
class Request:
    """What was asked for, resolved: also the key by which an existing bundle is recognised as done.

    Args:
        name: of the bundle.
        runtimes, targets, precisions: names, all of them known.
        without: rewrites that are left out.
        aim: what the recommended variant is to be best at.
        timed: whether variants are timed.
        calibration: data to calibrate with; None for what the generator was trained on.
        fixed: integer inputs, and the value that each is fixed at.
        size: of the pictures that come in, in words; None for the generator's own.
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

    @property
    def portable(self) -> tuple[str, ...]:
        """Runtimes of graphs: ONNX Runtime, which is always among them, and what else was asked for."""
        return tuple(name for name in graph_runtimes() if name == "onnxruntime" or name in self.runtimes)

    def files(self, stage: str) -> Iterator[tuple[str, str, str | None, str]]:
        """Precision, runtime, target and file of every variant of a stage; the portable graphs come first."""
        for name in self.precisions:
            for runtime in self.portable:
                suffix = "" if runtime == "onnxruntime" else f".{runtime}"
                yield name, runtime, None, f"graphs/{stage}.{name}{suffix}.onnx"
            for runtime in self.runtimes:
                for target in self._targets(runtime):
                    if target == UNBUILT or _has(target, name):
                        yield name, runtime, target, engine_file(stage, name, target, runtime)

    def _targets(self, runtime: str) -> tuple[str, ...]:
        """What engines of a runtime are built for; nothing for a runtime without engines."""
        library = runner_class(runtime).library
        if library is None:
            return ()
        return self.targets if library.ahead_of_time else (own_target(runtime),)


def resolve(request: Request) -> Request:
    """The request itself, if it can be met.

    Raises:
        UnknownName: a name is unknown.
        UsageError: engines without a target, a target without engines, or a precision that no target has.
    """
    for kind, given, known in (
        ("precision", request.precisions, precision_names()),
        ("runtime", request.runtimes, runtime_names()),
        ("target", request.targets, TARGETS),
        ("pass", request.without, pass_names()),
        ("aim", (request.aim,), AIMS),
    ):
        for item in given:
            if item not in known:
                raise UnknownName(kind, item, known)
    libraries = engine_libraries()
    ahead = [name for name in request.runtimes if name in libraries and libraries[name].ahead_of_time]
    if ahead and not request.targets:
        raise UsageError(f"engines need a target: --target with one or more of {', '.join(TARGETS)}")
    if request.targets and not ahead:
        raise UsageError("--target is for engines: add tensorrt-rtx to --runtime")
    for name in request.precisions:
        if request.targets and not any(_has(target, name) for target in request.targets):
            raise UsageError(
                f"no target of {', '.join(request.targets)} has precision {name!r};"
                f" it takes {precision(name).least_target} or newer"
            )
        if left_out := set(precision(name).passes) & set(request.without):
            raise UsageError(f"precision {name!r} needs the pass {left_out.pop()!r}; leave it in")
    return request


def _has(target: str, name: str) -> bool:
    return precision(name).runs_on(target)


def environment_of(request: Request, *, tokenizer: bool) -> dict[str, str]:
    """Names and versions of what makes a bundle here.

    Args:
        request: what builds the engines that it asks for is listed too.
        tokenizer: whether the generator takes prompts.
    """
    before, after = ("torch", "onnx", "onnxscript"), ("numpy", *(["tokenizers"] if tokenizer else []))
    versions = {
        **{name: version(name) for name in before},
        **{name: runner_class(name).version() for name in request.portable},
        **{name: version(name) for name in after},
    }
    return {
        "litho": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **versions,
        "opset": str(OPSET),
        **({"without": ",".join(request.without)} if request.without else {}),
        **({"fixed": ",".join(f"{name}={value}" for name, value in request.fixed)} if request.fixed else {}),
        **({"size": request.size} if request.size else {}),
        **({"calibration": request.calibration} if request.calibration else {}),
        **engine_environment([name for name in request.runtimes if name in engine_libraries()]),
    }
