"""What `litho serve --container`, `--compose` and `--run` do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import typer

from ..errors import ServerStartError, UsageError

__all__ = ["Wanted", "serve_in_container"]


class Wanted(NamedTuple):
    """What is asked for: a compose file in place of the command, to run it, to let other machines reach it."""

    compose: bool
    run: bool
    allow_remote: bool


def serve_in_container(repository: Path, wanted: Wanted, settings: dict[str, Any]) -> None:
    """Print the command or the compose file of a container that serves a repository, or run it.

    Args:
        repository: its folder.
        wanted: what to do.
        settings: of `ContainerSettings`; None stands for the default.
    """
    import platformdirs

    from ..serving.container.command import Container, ContainerSettings
    from ..serving.container.images import served, write_context

    given = ContainerSettings(**{name: value for name, value in settings.items() if value is not None})
    models = served(repository)
    container = Container(repository, models, given)
    if not container.is_loopback and not wanted.allow_remote:
        raise UsageError(
            f"other machines can reach host {given.host}; keep 127.0.0.1 and let a proxy do TLS and access, or insist"
            " with --allow-remote"
        )
    context = platformdirs.user_cache_path("litho") / "container" if container.image != given.image else None
    if context is not None:
        write_context(context, given.image, models)
    if not wanted.run:
        typer.echo(container.compose(context) if wanted.compose else container.script(context), nl=False)
        return
    if shutil.which(given.program) is None:
        raise UsageError(f"{given.program} is not installed; install it, or give --program")
    if context is not None and subprocess.run(container.build_command(context), check=False).returncode:
        raise ServerStartError(f"the image could not be built from {context}; {given.program} says why above")
    command = container.command()
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
