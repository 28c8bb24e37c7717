"""What typer's pages of help lack: whole names at 80 columns, and what a person writes for an option.

typer 0.29 makes the tables of its pages itself, without a setting for their columns: on a narrow terminal rich wraps
every column and cuts names of options in two. So typer's module gets a table of our own.
"""

from __future__ import annotations

import re
from typing import Any

from .names import fill_in

__all__ = ["complete_help"]


def complete_help(command: Any, ctx: Any) -> None:
    """Put names into the texts, and say of an option what a person writes: nothing after a flag.

    Args:
        command: whose help is about to be shown.
        ctx: its context.
    """
    from typer import rich_utils

    pages: Any = rich_utils
    pages.Table = _table
    pages.STYLE_OPTIONS_TABLE_PADDING = (0, 1, 0, 0)  # to the right of a column only: more room for its texts
    command.help = re.sub(r"(?<![.\n])\n(?!\n)", " ", command.help or "")  # where the source breaks its lines
    for parameter in command.get_params(ctx):
        if help := getattr(parameter, "help", None):
            parameter.help = fill_in(help)
        if parameter.param_type_name == "option" and parameter.metavar is None:
            if parameter.secondary_opts:
                parameter.opts, parameter.secondary_opts = [f"--[no-]{parameter.opts[0][2:]}"], []
            kind = "" if parameter.is_flag else parameter.display_type(ctx).lower()
            kind = re.sub(r"<(?:list\[)?(.*?)\]?(?: range)?>", r"<\1>", kind)
            parameter.metavar = kind if len(kind) < 16 else kind.replace("|", "|\n")


def _table(**options: Any) -> Any:
    """A table of the help, in which only the last column wraps."""
    from rich.table import Table

    class Whole(Table):
        def add_row(self, *cells: Any, **style: Any) -> None:
            super().add_row(*cells, **style)
            for column in self.columns[:-1]:
                column.no_wrap = True

    return Whole(**options)
