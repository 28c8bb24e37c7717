"""The verb `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .base import AsJson, Device, VariantName, verb
from .output import note, print_json, progress_bar
from .values import pairs

if TYPE_CHECKING:
    from ..runners import Runner


@verb(
    "Use",
    "litho generate bundles/digits --seed 0-9 --label 3 -o threes.png",
    "litho generate grpc://127.0.0.1:8001/shapes --prompt 'a red circle' --seed 7 -o circle.png",
)
def generate(
    target: Annotated[
        str, typer.Argument(help="A run, a bundle, or grpc://HOST:PORT/MODEL.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A .png file, with a grid of several pictures; or a folder."),
    ],
    seed: Annotated[str | None, typer.Option(help="Seeds: 7, or 1,2,3, or 0-99.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Class, by number or name: one, or one for each seed.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Description of the picture in words.")] = None,
    steps: Annotated[
        str | None, typer.Option(help="Steps from noise to picture: one number, or one for each seed.")
    ] = None,
    guidance: Annotated[
        str | None, typer.Option(help="Weight of the prompt: one number, or one for each seed.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Picture to start from: an image file, or a folder of them. It is cropped at the centre and resized"
            " to the generator's size; transparent pixels become white, unless it takes alpha."
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(help="Hole to fill: an image file, or a folder of them; pixels above 127 are the hole."),
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of any other input, or NAME=FILE.npy; repeatable.")
    ] = None,
    variant: VariantName = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make pictures from seeds, labels, prompts or images."""
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
    runners: list[Runner] = []
    with progress_bar() as progress:
        progress("making pictures", 0.0)
        files = generate_pictures(
            target, values, output, variant=variant, device=device, opened=runners.append
        )
    (runner,) = runners
    if as_json:
        made_by = {"variant": runner.variant, "precision": runner.precision, "grade": runner.grade}
        print_json({"files": [str(file) for file in files], **made_by})
        return
    if runner.promise:
        note(f"made by {runner.promise}")
    typer.echo(files[0] if len(files) == 1 else f"{len(files)} pictures in {output}")
