"""Run any artefact - checkpoint, graph, engine, endpoint - through one protocol.

A runner is one module of this folder with a class `Runner`; the module's name is the runner's. Only `runners.torch`
may import torch.
"""

from ._endpoint import Endpoint
from ._isolation import Worker
from ._opening import choose_variants, named_variants, open_isolated, open_runner
from .base import Runner, runner_names

__all__ = [
    "Endpoint",
    "Runner",
    "Worker",
    "choose_variants",
    "named_variants",
    "open_isolated",
    "open_runner",
    "runner_names",
]
