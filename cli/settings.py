"""The options of `litho deploy` that are settings of a deployment: one for each, under a heading of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import typer

from .values import numbers

__all__ = ["OPTIONS", "given_settings", "option_of", "takes_options", "takes_settings"]

PANEL = "Serving settings"


def option_of(kind: Any, help: str, *names: str, panel: str = PANEL, least: int | None = None) -> Any:
    """An option that is a setting: type, help, names if they are others than the setting's, heading, least number."""
    option = typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, min=least)
    return Annotated[kind | None, option]


def _count(help: str, least: int = 1) -> Any:
    return option_of(int, help, least=least)


OPTIONS: dict[str, Any] = {
    "device": option_of(str, "cpu or cuda; by default cpu, and cuda for flavour tensorrt."),
    "gpus": option_of(str, "Numbers of the GPUs, such as 0,1; by default all."),
    "instance_count": _count("Instances at the same time, on each device; by default 2, 1 of a sampler."),
    "threads": _count("Threads of each instance on a CPU; by default the runtime's choice."),
    "batching": option_of(
        Literal["auto", "whole", "in-flight"],
        "How a sampler batches: whole batches, or in-flight, which answers each picture when it is done; auto"
        " measures which is faster here.",
    ),
    "live_rows": _count(
        "With in-flight batching: most pictures of a lane at the same time; by default measured."
    ),
    "lanes": _count("With in-flight batching: lanes that compute at the same time; by default 2 on a CPU."),
    "max_batch_size": _count("Largest batch; by default the largest that the variant takes."),
    "preferred_batch_sizes": option_of(
        str, "Batch sizes that are sent without waiting for more, such as 8,16."
    ),
    "max_queue_delay_microseconds": _count("Longest wait of a request for others to share its batch.", 0),
    "preserve_ordering": option_of(bool, "Answer in the order of arrival."),
    "max_queue_size": _count("Most requests that may wait; more are refused at once."),
    "queue_timeout_microseconds": _count("Longest wait of a request before it is refused."),
    "timeout_override": option_of(bool, "Whether a request may ask for a shorter wait."),
    "priority_levels": _count("Priorities that a request may ask for, 1 first; 0 for none.", 0),
    "default_priority": _count("Priority of a request that asks for none; by default the middle."),
    "warm_up": option_of(bool, "Run inputs of the probes before the model is ready."),
    "response_cache": option_of(bool, "Answer repeated requests from the server's cache; needs a seed."),
    "cuda_graphs": option_of(bool, "Capture CUDA graphs; flavour tensorrt, where it is the default."),
    "tensorrt": option_of(bool, "Let ONNX Runtime compile the graph with TensorRT; flavour onnxruntime."),
    "engine_cache": option_of(str, "Folder on the server for the engines that ONNX Runtime compiles."),
}
"""Setting -> type and option; what is not given is the flavour's default."""

_LISTS = ("gpus", "preferred_batch_sizes")


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes `**settings`, an option for each of `OPTIONS`."""
    return takes_options(command, OPTIONS)


def takes_options(command: Callable[..., None], options: Mapping[str, Any]) -> Callable[..., None]:
    """Give a command, which takes them as `**settings`, an option for each of some settings."""
    # Evaluated: whoever reads a signature that was put in place takes its annotations as they are.
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in options.items()
    ]
    command.__signature__ = signature.replace(parameters=own + added)  # pyright: ignore[reportFunctionMemberAccess]
    return command


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given: name -> value.

    Args:
        options: of a command that takes settings.

    Raises:
        UsageError: a list holds something else than whole numbers.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in _LISTS:
        if name in given:
            given[name] = tuple(numbers(given[name], f"--{name.replace('_', '-')}") or ())
    return given
