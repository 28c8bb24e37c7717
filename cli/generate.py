"""The verb `generate`."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InvalidInput, UsageError
from .base import AsJson, Device, VariantName, verb
from .output import note, print_json, progress_bar
from .pools import RayAddress, Threads, Workers, refuse_without
from .values import pairs

if TYPE_CHECKING:
    from ..runners import Runner


@verb(
    "Use",
    "litho generate bundles/digits --seed 0-9 --label 3 -o threes.png",
    "litho generate grpc://127.0.0.1:8001/shapes --prompt 'a red circle' --seed 7 -o circle.png",
    "litho generate bundles/digits --count 100000 --seed 0 --label 0-9 --out shards",
    "litho generate bundles/digits --count 10000000 --label 0-9 --out s3://pictures/digits --ray auto",
)
def generate(
    target: Annotated[
        str, typer.Argument(help="A run, a bundle, or grpc://HOST:PORT/MODEL.", show_default=False)
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "--out",
            "-o",
            help="A .png file, with a grid of several pictures; or a folder for one file each. With --count: folder"
            " for the shards and their manifest, or s3://BUCKET/PREFIX. Given again, an interrupted run goes on.",
            show_default=False,
        ),
    ] = None,
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
    count: Annotated[
        int | None,
        typer.Option(
            help="Make so many pictures, any number, into shards: of consecutive seeds from --seed on, while several"
            " values of another input repeat in turn.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Literal["webdataset", "parquet"] | None,
        typer.Option(
            help="With --count: tar shards of WebDataset, or Parquet files of a Hugging Face data set.",
            show_default="webdataset",
        ),
    ] = None,
    per_shard: Annotated[
        int | None,
        typer.Option(help="With --count: pictures of a shard.", min=1, show_default="1000"),
    ] = None,
    ray: RayAddress = None,
    workers: Workers = None,
    threads: Threads = None,
    variant: VariantName = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make pictures from seeds, labels, prompts or images.

    Without --count a few, as PNG files; with --count any number, as shards of a data set.
    """
    if output is None or (count is not None and output.endswith(".png")):
        given = "nothing" if output is None else f"with --count, {output!r}"
        raise UsageError(
            f"{given} was given to write to; give --output FILE.png, or --count NUMBER --output FOLDER"
        )
    if count is None:
        refuse_without(
            "--count", format=format, per_shard=per_shard, ray=ray, workers=workers, threads=threads
        )
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
    if count is not None:
        from ..runners._pools import open_pool
        from ..serving.generation.shards import generate_shards

        with _naming_the_option(named), progress_bar() as progress:
            progress("starting the workers", 0.0)
            with open_pool(ray, workers=workers, threads=threads, device=device) as pool:
                manifest = generate_shards(
                    target,
                    values,
                    output,
                    count=count,
                    format=format or "webdataset",
                    per_shard=per_shard or 1000,
                    variant=variant,
                    device=device,
                    pool=pool,
                    progress=progress,
                )
        if as_json:
            print_json({**manifest.model_dump(mode="json"), "work": asdict(pool.report)})
            return
        if pool.report.retries:
            note(f"{pool.report.retries} shards were tried again, because a worker was lost or a call failed")
        typer.echo(
            f"{count} pictures in {len(manifest.shards)} shards, listed in {output.rstrip('/')}/manifest.json"
        )
        return
    from ..serving.generation.generate import generate as generate_pictures

    runners: list[Runner] = []
    with _naming_the_option(named), progress_bar() as progress:
        progress("making pictures", 0.0)
        files = generate_pictures(
            target, values, Path(output), variant=variant, device=device, opened=runners.append
        )
    (runner,) = runners
    if as_json:
        made_by = {"variant": runner.variant, "precision": runner.precision, "grade": runner.grade}
        print_json({"files": [str(file) for file in files], **made_by})
        return
    if runner.promise:
        note(f"made by {runner.promise}")
    typer.echo(files[0] if len(files) == 1 else f"{len(files)} pictures in {output}")


@contextmanager
def _naming_the_option(options: Container[str]) -> Iterator[None]:
    """Add to the error of an input that was not given how to give it."""
    try:
        yield
    except InvalidInput as error:
        if error.missing is None:
            raise
        how = f"--{error.missing}" if error.missing in options else f"--field {error.missing}=VALUE"
        raise InvalidInput(f"{error}; give {how}", missing=error.missing) from error
