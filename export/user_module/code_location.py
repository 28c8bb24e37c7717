"""Where in a user's own code something happened: the part of the module by its name, the file, the line."""

from __future__ import annotations

import inspect
import linecache
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from ...training.networks.generator import Generator
from ...training.networks.pixel_model import PixelModel

__all__ = ["authored", "location_in_notes", "location_of", "location_of_node"]

_NOT_THE_USER_S = (
    f"{Path(torch.__file__).parent}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
    inspect.getfile(PixelModel),
    inspect.getfile(logging),
)


def location_of(frames: Iterable[tuple[FrameType, int]], module: nn.Module) -> str:
    """Where in the user's code it happened, such as " in 'blocks.3' (Block) at net.py:12 `x = x.view(2, -1)`".

    Args:
        frames: of the calls with their lines, outermost first.
        module: whose parts are named.
    """
    names = _names(module)
    part = line = ""
    for frame, number in frames:
        owner, file = frame.f_locals.get("self"), frame.f_code.co_filename
        if id(owner) in names:
            part = names[id(owner)]
        if Path(file).is_file() and not file.startswith(_NOT_THE_USER_S):
            line = _line(file, number, linecache.getline(file, number))
    return part + line


def location_of_node(node: torch.fx.Node, module: nn.Module) -> str:
    """The same of a node of an exported program."""
    owners = list((node.meta.get("nn_module_stack") or {}).values())
    return location_in_notes(module, owners[-1][0] if owners else None, node.meta.get("stack_trace") or "")


def location_in_notes(module: nn.Module, path: str | None, notes: str) -> str:
    """The same from what the exporter notes: the path of the part in `module`, and the lines of the calls."""
    part = dict(module.named_modules()).get(path) if path is not None else None
    found = re.findall(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)', notes)
    lines = [_line(*entry) for entry in found if not entry[0].startswith(_NOT_THE_USER_S)]
    return _names(module).get(id(part), "") + (lines[-1] if lines else "")


def _names(module: nn.Module) -> dict[int, str]:
    """Identity of each part -> where it is, in words."""
    return {
        id(part): f" in {name!r} ({type(part).__name__})" if name else f" in {type(part).__name__}"
        for name, part in authored(module).named_modules()
    }


def authored(module: nn.Module) -> nn.Module:
    """The module as its author knows it, whose names are those in the file of its weights."""
    if isinstance(module, PixelModel):
        module = module.generator
    return getattr(module, "foreign", module) if isinstance(module, Generator) else module


def _line(file: str, number: int | str, text: str) -> str:
    relative = os.path.relpath(file)
    return f" at {file if relative.startswith('..') else relative}:{number} `{text.strip()}`"
