"""The protocol of runners, the facts that each one declares, and their registry."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._version import __version__
from ..bundle import Bundle
from ..bundle.manifest import Variant
from ..errors import LithoError, MissingExtra, UnknownName, UsageError
from ..plugins import load_plugin, plugin_names
from ..signature import Signature, in_batches

__all__ = [
    "Integers",
    "Library",
    "Runner",
    "combined_precisions",
    "engine_libraries",
    "graph_runtimes",
    "installed_graph_runtimes",
    "library_of",
    "parse_device",
    "promise",
    "runner_class",
    "runner_names",
    "runtime_names",
    "runtime_packages",
    "thread_count",
]

IN_FLIGHT = 4
"""Requests of one `generate` in flight at the same time: enough that a server never waits for its client."""

_PACKAGE = "litho.runners"


@dataclass(frozen=True)
class Library:
    """The library that builds and runs the engines of a runner; its Python API is that of TensorRT.

    Args:
        title: for messages and tables.
        module: to import.
        extra: extra of litho that installs it.
        suffix: of an engine's file.
        ahead_of_time: whether it builds engines for GPUs that this machine does not have.
        compatible: whether it builds engines that run on other versions or other GPUs than they were built for.
        keeps_timings: whether it measures kernels and keeps the times in a timing cache.
    """

    title: str
    module: str
    extra: str
    suffix: str
    ahead_of_time: bool
    compatible: bool
    keeps_timings: bool


@dataclass(frozen=True)
class Integers:
    """How a runtime computes in INT8; `export.precisions` makes its graphs accordingly.

    Args:
        unsigned: whether activations that are never negative are quantized to UINT8, which is one bit finer than INT8.
        between: whether it computes an operator in INT8 only between a dequantize and a quantize node.
        passes: graph pass of the precision -> the pass that it wants in its place.
    """

    unsigned: bool = False
    between: bool = False
    passes: Mapping[str, str] = field(default_factory=dict)


class Runner(ABC):
    """Runs one artefact: a context manager whose `run` takes the signature's fields and returns pictures.

    A subclass is called `Runner` in a module of this folder. It implements `_execute` and one or more of
    `from_variant` (a variant of a bundle), `from_graph` (an ONNX graph), `from_stages` (the open stages of a bundle)
    and `from_location` (an address or a path). Class attributes declare what the rest of litho derives from the
    registry:

        name          name of the runner, and of a variant's runtime in the manifest
        title         name in messages and tables
        extra         extra of litho that installs the runtime; empty if litho installs it
        packages      distributions of the runtime, the usual one first
        devices       kinds of device that it runs on
        order         place among the runtimes that variants are exported for
        runs_graphs   whether variants are exported for it as ONNX graphs
        passes        graph passes that these graphs, or those of its engines, need
        integers      how it computes in INT8
        inference_precisions  what it can compute FP32 layers in instead, if the graph's metadata tell it to
        library       builds its engines; None for a runner without engines
        levels        how far a graph's metadata can tell it to optimise, from the most to nothing
        threaded      whether its constructor takes `threads`, the number of threads that share one operator
        filled        sizes that it fills batches up to on a GPU, where the first batch of each size is slow

    Attributes:
        signature: inputs and output.
        description: variant, runtime, version and device, in one line.
        variant: name of the bundle's variant that it runs; of several stages, names separated by commas; empty for
            anything else.
        precision: of that variant; of several stages in different ones, each, separated by commas; empty if unknown.
        grade: what the variant's pictures promise, as its bundle or server says; empty if unknown.
        last_ms: duration of the last run in milliseconds, input checks excluded; NaN before the first run.
        max_batch_size: largest batch that `generate` runs at once.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    extra: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    order: ClassVar[int] = 100
    runs_graphs: ClassVar[bool] = False
    passes: ClassVar[tuple[str, ...]] = ()
    integers: ClassVar[Integers] = Integers()
    inference_precisions: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[Library | None] = None
    levels: ClassVar[tuple[str, ...]] = ()
    threaded: ClassVar[bool] = False
    filled: ClassVar[tuple[int, ...]] = ()

    def __init__(self, signature: Signature, description: str) -> None:
        self.signature = signature
        self.description = description
        self.variant = ""
        self.precision = ""
        self.grade = ""
        self.last_ms = float("nan")
        self.max_batch_size = 64

    def __repr__(self) -> str:
        return f"<{self.name} runner: {self.description}>"

    @property
    def promise(self) -> str:
        """Variant, precision and grade in one line; empty without a variant."""
        return promise(self.variant, self.precision, self.grade) if self.variant else ""

    @classmethod
    def version(cls) -> str:
        """Version of the first installed distribution in `packages`; without any, litho's own.

        Raises:
            MissingExtra: none of them is installed.
        """
        if not cls.packages:
            return __version__
        for package in cls.packages:
            with suppress(PackageNotFoundError):
                return version(package)
        raise MissingExtra(cls.title, cls.extra)

    @classmethod
    def from_variant(cls, bundle: Bundle, variant: Variant, device: str, threads: int | None = None) -> Self:
        """Open a variant of a bundle on `device`; by default the variant is an ONNX graph."""
        signature = bundle.stage(variant.stage).signature
        return cls.from_graph(bundle.read_graph(variant), signature, device, threads)

    @classmethod
    def from_graph(
        cls, graph: bytes, signature: Signature, device: str = "cpu", threads: int | None = None
    ) -> Self:
        """Open the content of an ONNX file with the inputs and output of `signature`.

        Args:
            graph: content of the file.
            signature: inputs and output.
            device: to run on.
            threads: threads that share one operator on a CPU, at least 1; None for one on each core. A runner that is
                not `threaded` keeps its own number.
        """
        if not cls.runs_graphs:
            raise UsageError(f"runner {cls.name!r} does not run graphs or variants of a bundle")
        opens: Any = cls  # the constructor of a runner of graphs takes these arguments
        return opens(graph, signature, device, **({"threads": threads} if cls.threaded else {}))

    @classmethod
    def from_stages(cls, bundle: Bundle, stages: Mapping[str, Runner]) -> Self:
        """Run a bundle's stages, name -> open runner, in turn; closing the runner closes them."""
        raise UsageError(f"runner {cls.name!r} does not run stages in turn (given: {', '.join(stages)})")

    @classmethod
    def from_location(cls, location: str, device: str) -> Self:
        """Open a path or an address on `device`."""
        raise UsageError(f"runner {cls.name!r} does not open a location (given: {location!r})")

    @abstractmethod
    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Checked inputs -> the signature's output, with a batch axis in front."""

    def close(self) -> None:  # noqa: B027 - most runners have nothing to release
        """Release the runner's resources; closing twice is fine."""

    def run(self, inputs: Mapping[str, ArrayLike], *, check: bool = True) -> dict[str, NDArray[Any]]:
        """Compute the signature's output, usually one picture, for each row of the inputs.

        Args:
            inputs: field name -> array with a batch axis in front.
            check: compare names, dtypes, shapes and ranges with the signature first.

        Returns:
            Name of the output -> array; a picture is UINT8 of shape (batch, height, width, channels), 0 to 255.

        Raises:
            InvalidInput: the signature does not allow an input.
            LithoError: the runtime failed, or returned an array of another dtype or shape.
        """
        arrays = (
            self.signature.check(inputs) if check else self.signature.with_defaults(dict[str, Any](inputs))
        )
        start = time.perf_counter()
        answer = self._execute(arrays)
        self.last_ms = (time.perf_counter() - start) * 1e3
        self._check_output(answer, self.signature.output_shape(arrays))
        return {self.signature.output.name: answer}

    def seconds(self, inputs: Mapping[str, ArrayLike]) -> float:
        """Seconds that one call of `run` takes, input checks included.

        Args:
            inputs: as `run` takes them.
        """
        start = time.perf_counter()
        self.run(inputs)
        return time.perf_counter() - start

    def generate(self, **fields: ArrayLike) -> NDArray[Any]:
        """Make one image for each row of the fields, in order; any number of them.

            >>> with open_model("bundles/digits") as runner:
            ...     images = runner.generate(seed=range(100), label=3)
            >>> images.shape
            (100, 32, 32, 1)

        Args:
            fields: name -> values, as the signature says; a single value, or one image without the batch axis,
                is used for all images.

        Returns:
            UINT8 of shape (N, height, width, channels), 0 to 255.

        Raises:
            InvalidInput: a field is unknown, missing, or has a value that it does not allow.
            LithoError: the runtime failed, or the server refused.
        """
        inputs = self.signature.check(self.signature.broadcast(fields))
        parts: list[NDArray[Any]] = []
        pending: deque[Future[dict[str, NDArray[Any]]]] = deque()
        try:
            for part in in_batches(inputs, self.max_batch_size):
                if len(pending) == IN_FLIGHT:
                    parts.append(pending.popleft().result()[self.signature.output.name])
                pending.append(self.submit(part))
            while pending:
                parts.append(pending.popleft().result()[self.signature.output.name])
        finally:
            for future in pending:  # after a failure nobody waits for the others
                future.cancel()
        return np.concatenate(parts)

    def submit(self, inputs: Mapping[str, ArrayLike]) -> Future[dict[str, NDArray[Any]]]:
        """Start a run and return its future; a runner with a transport overrides this to overlap requests."""
        future: Future[dict[str, NDArray[Any]]] = Future()
        try:
            future.set_result(self.run(inputs, check=False))
        except Exception as error:  # future.result() raises it
            future.set_exception(error)
        return future

    def _check_output(self, answer: NDArray[Any], shape: tuple[int, ...]) -> None:
        # Some servers report success with an empty answer.
        field = self.signature.output
        if (answer.dtype, answer.shape) != (field.numpy_dtype, shape):
            raise LithoError(
                f"{self.description} returned {answer.dtype} of shape {answer.shape} for a batch of {shape[0]};"
                f" expected {field.dtype} of shape {shape}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def promise(variant: str, precision: str, grade: str) -> str:
    """Variant, precision and grade in one line, such as
    "generator.int8.onnx in int8, which promises the same distribution"."""
    known = f"{variant} in {precision}" if precision else variant
    return f"{known}, which promises the {grade}" if grade else known


def combined_precisions(variants: Iterable[Variant]) -> str:
    """The precision of variants that run together: one word, or that of each stage, separated by commas."""
    precisions = [variant.precision for variant in variants]
    return precisions[0] if len(set(precisions)) == 1 else ",".join(precisions)


def runner_names() -> tuple[str, ...]:
    """Names of all runners in alphabetical order; none of them is imported."""
    return tuple(name.replace("_", "-") for name in plugin_names(_PACKAGE))


def runtime_names() -> tuple[str, ...]:
    """Names of the runners that variants are exported for, those that run ONNX graphs first."""
    return (*graph_runtimes(), *engine_libraries())


def graph_runtimes() -> dict[str, tuple[str, ...]]:
    """Name of each runner of ONNX graphs -> graph passes that its graphs need."""
    return {runner.name: runner.passes for runner in _runners() if runner.runs_graphs}


def installed_graph_runtimes(device: str) -> tuple[str, ...]:
    """Names of the installed runners of ONNX graphs that run on a kind of device, such as "cpu"."""
    found: list[str] = []
    for runner in _runners():
        with suppress(MissingExtra):
            if runner.runs_graphs and device in runner.devices and runner.version():
                found.append(runner.name)
    return tuple(found)


def engine_libraries() -> dict[str, Library]:
    """Name of each runner of engines -> the library that builds them."""
    return {runner.name: runner.library for runner in _runners() if runner.library is not None}


def runtime_packages() -> tuple[str, ...]:
    """Distributions of the runtimes of all runners, installed or not."""
    return tuple(package for runner in _runners() for package in runner.packages)


def library_of(name: str) -> Library:
    """The library that builds engines for the runner called `name`.

    Raises:
        UnknownName: there is no such runner, or it runs no engines.
    """
    if name not in runner_names() or (library := runner_class(name).library) is None:
        raise UnknownName("engine runtime", name, engine_libraries())
    return library


def _runners() -> list[type[Runner]]:
    return sorted(map(runner_class, runner_names()), key=lambda runner: (runner.order, runner.name))


def thread_count(threads: int | None) -> int:
    """The number of threads for one operator: the given one, or the number of cores that this process may use."""
    return threads or len(os.sched_getaffinity(0))


def parse_device(device: str, title: str, known: tuple[str, ...]) -> tuple[str, int]:
    """Kind and number of a device such as "cuda" (number 0) or "cuda:1".

    Args:
        device: text to read.
        title: name of the runtime, for the message.
        known: kinds of device that it runs on.

    Raises:
        UsageError: the kind is not among `known`, the number is not decimal, or a CPU has a number.
    """
    kind, colon, number = device.partition(":")
    if kind not in known or (colon and (kind == "cpu" or not number.isdecimal() or len(number) > 3)):
        raise UsageError(
            f"{title} has no device {device!r} (known: {', '.join(known)}; a second GPU: cuda:1)"
        )
    return kind, int(number or 0)


def runner_class(name: str) -> type[Runner]:
    """The class of the runner called `name`.

    Raises:
        UnknownName: there is no such runner.
    """
    return load_plugin(_PACKAGE, name, "runner").Runner
