"""Locate an error in a user's own code: name of the part of the module, file and line."""

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

_NOT_USER_CODE = (
    f"{Path(torch.__file__).parent}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
    inspect.getfile(PixelModel),
    inspect.getfile(logging),
)


def location_of(frames: Iterable[tuple[FrameType, int]], module: nn.Module) -> str:
    """The location in the user's code, such as " in 'blocks.3' (Block) at net.py:12 `x = x.view(2, -1)`".

    Args:
        frames: frames with line numbers, outermost first.
        module: the module whose parts are named.
    """
    names = _names(module)
    part = line = ""
    for frame, number in frames:
        owner, file = frame.f_locals.get("self"), frame.f_code.co_filename
        if id(owner) in names:
            part = names[id(owner)]
        if Path(file).is_file() and not file.startswith(_NOT_USER_CODE):
            line = _line(file, number, linecache.getline(file, number))
    return part + line


def location_of_node(node: torch.fx.Node, module: nn.Module) -> str:
    """The location of a node of an exported program; see `location_of`."""
    owners = list((node.meta.get("nn_module_stack") or {}).values())
    return location_in_notes(module, owners[-1][0] if owners else None, node.meta.get("stack_trace") or "")


def location_in_notes(module: nn.Module, path: str | None, notes: str) -> str:
    """The location from the exporter's notes: path of the part in `module`, and stack trace; see `location_of`."""
    part = dict(module.named_modules()).get(path) if path is not None else None
    found = re.findall(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)', notes)
    lines = [_line(*entry) for entry in found if not entry[0].startswith(_NOT_USER_CODE)]
    return _names(module).get(id(part), "") + (lines[-1] if lines else "")


def _names(module: nn.Module) -> dict[int, str]:
    """id() of each part -> its name for messages."""
    return {
        id(part): f" in {name!r} ({type(part).__name__})" if name else f" in {type(part).__name__}"
        for name, part in authored(module).named_modules()
    }


def authored(module: nn.Module) -> nn.Module:
    """The user's own module inside a `PixelModel`; its parts have the names that the weights have."""
    if isinstance(module, PixelModel):
        module = module.generator
    return getattr(module, "foreign", module) if isinstance(module, Generator) else module


def _line(file: str, number: int | str, text: str) -> str:
    relative = os.path.relpath(file)
    return f" at {file if relative.startswith('..') else relative}:{number} `{text.strip()}`"
