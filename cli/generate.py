"""The verb `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .base import Device, VariantName, app
from .output import pairs


@app.command(epilog="Example: litho generate bundles/digits --seed 0-9 --label 3 -o threes.png")
def generate(
    target: Annotated[
        str, typer.Argument(help="A run, a bundle, or grpc://HOST:PORT/MODEL.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A PNG file (a grid if several), or a folder.")
    ],
    seed: Annotated[str | None, typer.Option(help="7, or 1,2,3, or 0-99.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Class by number or name; one, or one for each seed.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What the picture shows, in words.")] = None,
    steps: Annotated[
        str | None, typer.Option(help="Steps from noise to picture; one, or one for each seed.")
    ] = None,
    guidance: Annotated[
        str | None, typer.Option(help="How closely to follow the prompt; one, or one for each seed.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="The picture to start from: an image file, or a folder of them. The largest centred part of the"
            " right proportions is resized to what the generator takes; what is clear becomes white."
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(help="The hole to fill, likewise; what is lighter than middle grey is inside."),
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of any other field; repeatable.")
    ] = None,
    variant: VariantName = None,
    device: Device = "cpu",
) -> None:
    """Make pictures from seeds, and what else the generator takes, and write them as PNG."""
    from ..serving.generate import generate as generate_pictures

    values = pairs(field or [], "--field")
    named = {
        "seed": seed,
        "label": label,
        "prompt": prompt,
        "steps": steps,
        "guidance": guidance,
        "source": source,
        "mask": mask,
    }
    values |= {name: text for name, text in named.items() if text is not None}
    files = generate_pictures(target, values, output, variant=variant, device=device)
    typer.echo(files[0] if len(files) == 1 else f"{len(files)} pictures in {output}")
