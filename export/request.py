"""What an export was asked for: names checked, files named, and the versions of what will make them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from .. import __version__
from ..engines import LIBRARIES
from ..errors import UnknownName, UsageError
from .engines import TARGETS, engine_environment
from .engines.variants import engine_file, own_target
from .gate import GATES
from .graph import OPSET

__all__ = ["RUNTIMES", "Request", "environment_of", "resolve"]

RUNTIMES = ("onnxruntime", "tensorrt-rtx", "tensorrt")


@dataclass(frozen=True)
class Request:
    """What was asked for, resolved: also the key by which an existing bundle is recognised as done.

    Args:
        name: of the bundle.
        runtimes, targets, precisions: names, all of them known.
    """

    name: str
    runtimes: tuple[str, ...]
    targets: tuple[str, ...]
    precisions: tuple[str, ...]

    def files(self, stage: str) -> Iterator[tuple[str, str, str | None, str]]:
        """Precision, runtime, target and file of every variant of a stage; the portable graph comes first."""
        for precision in self.precisions:
            yield precision, "onnxruntime", None, f"graphs/{stage}.{precision}.onnx"
            for runtime in self.runtimes:
                for target in self._targets(runtime):
                    yield precision, runtime, target, engine_file(stage, precision, target, runtime)

    def _targets(self, runtime: str) -> tuple[str, ...]:
        """What engines of a runtime are built for; nothing for a runtime without engines."""
        if runtime not in LIBRARIES:
            return ()
        return self.targets if LIBRARIES[runtime].ahead_of_time else (own_target(runtime),)


def resolve(name: str, precisions: Sequence[str], runtimes: Sequence[str], targets: Sequence[str]) -> Request:
    """The request of these names.

    Raises:
        UnknownName: a name is unknown.
        UsageError: engines without a target, or a target without engines.
    """
    for kind, given, known in (
        ("precision", precisions, GATES),
        ("runtime", runtimes, RUNTIMES),
        ("target", targets, TARGETS),
    ):
        for item in given:
            if item not in known:
                raise UnknownName(kind, item, known)
    if "tensorrt-rtx" in runtimes and not targets:
        raise UsageError(f"engines need a target: --target with one or more of {', '.join(TARGETS)}")
    if targets and "tensorrt-rtx" not in runtimes:
        raise UsageError("--target is for engines: add tensorrt-rtx to --runtime")
    return Request(name, tuple(runtimes), tuple(targets), tuple(precisions))


def environment_of(request: Request, *, tokenizer: bool) -> dict[str, str]:
    """Names and versions of what makes a bundle here.

    Args:
        request: what builds the engines that it asks for is listed too.
        tokenizer: whether the generator takes prompts.
    """
    names = ["torch", "onnx", "onnxscript", "onnxruntime", "numpy", *(["tokenizers"] if tokenizer else [])]
    return {
        "litho": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in names},
        "opset": str(OPSET),
        **engine_environment([runtime for runtime in request.runtimes if runtime in LIBRARIES]),
    }
