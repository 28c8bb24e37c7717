"""Verbs that make bundles: `export`, `build-engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import LithoError
from .base import AsJson, BundlePath, app
from .output import fixed_inputs, parse_size, progress_bar, show_variants, words


@app.command(
    epilog="Example: litho export runs/digits --precision fp32,fp16,int8 --aim latency\n\n"
    "Example: litho export runs/digits --to bundles/digits --runtime onnxruntime,tensorrt-rtx --target sm86\n\n"
    "Example: litho export my_package.my_module:build --weights w.safetensors --signature signature.yaml"
)
def export(
    source: Annotated[
        str,
        typer.Argument(
            help="Directory of a run; or, with --signature, PACKAGE.MODULE:NAME of what makes a module of your own,"
            " which is imported and run.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(help="Directory of the bundle; by default bundles/RUN, or bundles/RUN-INPUT."),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON file that says what a module of your own takes and gives; see"
            " docs/bring-your-own-model.md.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights of a module of your own: .safetensors, or .pt, .pth, .bin of nothing but weights.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Precisions, separated by commas: fp32, fp16, bf16, int8, fp8.")
    ] = "fp32",
    runtime: Annotated[
        str,
        typer.Option(help="Runtimes, separated by commas: onnxruntime, openvino, tensorrt, tensorrt-rtx."),
    ] = "onnxruntime",
    target: Annotated[str, typer.Option(help="GPUs to build engines for, such as sm86,sm120.")] = "",
    input: Annotated[
        Literal["seed", "latent", "image"] | None,
        typer.Option(
            help="What the graph takes: the seed, the raw latent, or an image; by default what the family has."
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE of a whole-number input that the graph is made for, such as label=3; repeatable."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH of the pictures that the generator starts from, or free for any that it can take; by"
            " default what it was made for.",
            show_default=False,
        ),
    ] = None,
    aim: Annotated[
        Literal["latency", "throughput", "size"],
        typer.Option(help="What the recommended variant is to be best at."),
    ] = "throughput",
    without: Annotated[
        str, typer.Option(help="Graph rewrites to leave out, separated by commas; see docs/export.md.")
    ] = "",
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Data whose pictures INT8 and FP8 are calibrated with, where the generator starts from pictures; by"
            " default what it was trained on. See docs/data.md."
        ),
    ] = None,
    no_timing: Annotated[
        bool,
        typer.Option(
            "--no-timing", help="Time nothing and recommend nothing; two exports are then the same bytes."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make graphs and engines of a run or a module of your own, prove each against PyTorch, and write a bundle."""
    from ..export.build import export as export_run
    from ..export.source import bundle_name

    fixed = fixed_inputs(fix or [])
    wanted = None if size is None else parse_size(size)
    name = bundle_name(source, input, foreign=signature is not None, fixed=fixed, size=wanted)
    with progress_bar() as progress:
        bundle = export_run(
            source,
            to=to or Path("bundles") / name,
            signature=signature,
            weights=weights,
            precisions=words(precision),
            runtimes=words(runtime),
            targets=words(target),
            input=input,
            aim=aim,
            without=words(without),
            calibration=calibration,
            fixed=fixed,
            size=wanted,
            timed=not no_timing,
            progress=progress,
        )
    show_variants(bundle, as_json)
    typer.echo(bundle.path, err=as_json)
    failed = [variant.name for variant in bundle.manifest.variants if variant.verdict.status == "failed"]
    if failed:
        raise LithoError(
            f"{', '.join(failed)} failed the gate and will not be deployed; see {bundle.path / 'report.html'}"
        )


@app.command("build-engine", epilog="Example: litho build-engine bundles/digits --precision fp16")
def build_engine(
    bundle: BundlePath,
    runtime: Annotated[
        Literal["tensorrt", "tensorrt-rtx"], typer.Option(help="The library that builds.")
    ] = "tensorrt",
    precision: Annotated[
        str, typer.Option(help="Precisions, separated by commas; by default all that the bundle has.")
    ] = "",
    target: Annotated[
        str, typer.Option(help="For tensorrt-rtx: GPUs, such as sm86,sm120; by default the one here.")
    ] = "",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="Smallest, preferred and largest batch, such as 1,8,64; repeatable, each one profile more."
        ),
    ] = None,
    workspace_mib: Annotated[
        int | None, typer.Option(help="Limit of scratch memory in MiB; by default none.")
    ] = None,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Round FP32 products to TF32: faster, and no longer FP32.")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Let later versions of TensorRT open the engine.")
    ] = False,
    hardware_compatible: Annotated[
        Literal["none", "same-capability", "ampere-and-later"],
        typer.Option(help="On which other GPUs the engine is to run."),
    ] = "none",
    strip_weights: Annotated[
        bool, typer.Option("--strip-weights", help="Leave the weights to the graph beside the engine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Complete a bundle on the machine with the GPU: build the engines of its graphs, and prove them."""
    from ..export.engines.complete import build_engines
    from ..export.engines.options import EngineOptions, profiles

    options = EngineOptions(
        profiles=profiles(profile or []) or EngineOptions.profiles,
        workspace_bytes=None if workspace_mib is None else workspace_mib << 20,
        tf32=tf32,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        strip_weights=strip_weights,
    )
    with progress_bar() as progress:
        completed = build_engines(
            bundle,
            runtime=runtime,
            precisions=words(precision),
            targets=words(target),
            options=options,
            progress=progress,
        )
    show_variants(completed, as_json)
    made = [variant for variant in completed.manifest.variants if variant.runtime == runtime]
    failed = [variant for variant in made if variant.verdict.status == "failed"]
    if failed:
        raise LithoError(f"{failed[0].name} is not what was asked for: {failed[0].verdict.reason}")
