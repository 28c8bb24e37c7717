"""Verbs that make bundles: `export`, `build-engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import LithoError
from .base import AsJson, BundlePath, verb
from .names import name_option
from .output import note, progress_bar, show_variants
from .paths import require, require_file
from .values import fixed_inputs, parse_size, words

PANEL = "Export and prove"


@verb(
    PANEL,
    "litho export runs/digits --precision fp32,fp16,int8 --aim latency",
    "litho export runs/digits --to bundles/digits --runtime onnxruntime,tensorrt-rtx --target sm86",
    "litho export my_net.py:build --weights w.safetensors --signature signature.yaml",
)
def export(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of a run; or, with --signature, FILE.py:NAME or PACKAGE.MODULE:NAME of a function or class"
            " that gives a module of your own. Your code is imported and run.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of the bundle; by default bundles/RUN, or bundles/RUN-INPUT."),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON file with the inputs and the output of a module of your own; see"
            " docs/bring-your-own-model.md.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights of a module of your own: .safetensors, or .pt, .pth, .bin, .ckpt with nothing but weights.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str, name_option("precisions", "Precisions, separated by commas: {precisions}.")
    ] = "fp32",
    runtime: Annotated[
        str, name_option("runtimes", "Runtimes, separated by commas: {runtimes}.")
    ] = "onnxruntime",
    target: Annotated[
        str, name_option("targets", "GPUs to build engines for, separated by commas: {targets}.")
    ] = "",
    input: Annotated[
        Literal["seed", "latent", "image"] | None,
        typer.Option(
            help="Input of the graph: the seed, the raw latent, or an image; by default the family's."
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE: build a whole-number input into the graph, such as label=3; repeatable."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH of the pictures that the generator starts from, or free for any size it can take; by"
            " default the size it was trained with.",
            show_default=False,
        ),
    ] = None,
    aim: Annotated[
        Literal["latency", "throughput", "size"],
        typer.Option(help="What the recommended variant is best at."),
    ] = "throughput",
    without: Annotated[
        str,
        name_option(
            "passes", "Graph passes to leave out, separated by commas: {passes}; see docs/export.md."
        ),
    ] = "",
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Dataset that calibrates INT8 and FP8 of a generator that starts from pictures; by default the one"
            " it was trained on. See docs/data.md. Or a .npy or .safetensors file with values of conditions."
        ),
    ] = None,
    quantizer: Annotated[
        str, name_option("quantizers", "What quantizes INT8 and FP8: {quantizers}; nncf has INT8 only.")
    ] = "litho",
    external_data: Annotated[
        bool,
        typer.Option(
            "--external-data",
            help="Put the weights of every graph into a file beside it, as those of a graph of 2 GiB or more always"
            " are.",
        ),
    ] = False,
    no_timing: Annotated[
        bool,
        typer.Option(
            "--no-timing", help="Time and recommend no variant; two exports then have the same bytes."
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a bundle that is there and holds another generator.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a bundle: proven graphs and engines of a run or module.

    Every variant that this machine can run is compared with PyTorch, judged and timed. The report shows the result.
    """
    require_file(signature, "--signature", "a YAML or JSON file, see docs/bring-your-own-model.md")
    require_file(
        weights, "--weights", "one .safetensors file, or .pt, .pth, .bin, .ckpt with nothing but weights"
    )
    from ..export.build import export as export_run
    from ..export.explanations import left_out
    from ..export.source import bundle_name

    fixed = fixed_inputs(fix or [])
    wanted = None if size is None else parse_size(size)
    name = bundle_name(source, input, user_module=signature is not None, fixed=fixed, size=wanted)
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
            quantizer=quantizer,
            external_data=external_data,
            timed=not no_timing,
            replace=replace,
            progress=progress,
        )
    show_variants(bundle, as_json)
    typer.echo(bundle.path, err=as_json)
    if (why := left_out(source, bundle)) is not None:
        note(why)
    if signature is not None:
        from ..export.user_module.cautions import cautions

        for line in cautions(bundle, own_weights=weights is not None):
            note(line)
    failed = [variant.name for variant in bundle.manifest.variants if variant.verdict.status == "failed"]
    if failed:
        raise LithoError(
            f"{', '.join(failed)} failed the gate and will not be deployed; see {bundle.path / 'report.html'}"
        )


@verb(
    PANEL,
    "litho build-engine bundles/digits --precision fp16",
    "litho build-engine bundles/digits --runtime tensorrt-rtx --target sm86,sm120",
    name="build-engine",
)
def build_engine(
    bundle: BundlePath,
    runtime: Annotated[
        str, name_option("engine_runtimes", "Library that builds the engines: {engine_runtimes}.")
    ] = "tensorrt",
    precision: Annotated[
        str, name_option("precisions", "Precisions, separated by commas; by default all that the bundle has.")
    ] = "",
    target: Annotated[
        str, name_option("targets", "With tensorrt-rtx: GPUs, such as sm86,sm120; by default this machine's.")
    ] = "",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="Smallest, preferred and largest batch of an optimisation profile, such as 1,8,64; repeatable."
            " By default those of the graph."
        ),
    ] = None,
    workspace_mib: Annotated[
        int | None, typer.Option(min=1, help="Limit of scratch memory in MiB; by default none.")
    ] = None,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Round FP32 products to TF32: faster, but no longer FP32.")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Let later versions of TensorRT open the engine.")
    ] = False,
    hardware_compatible: Annotated[
        Literal["none", "same-capability", "ampere-and-later"],
        typer.Option(help="Other GPUs that the engine must run on."),
    ] = "none",
    strip_weights: Annotated[
        bool, typer.Option("--strip-weights", help="Keep the weights in the graph only, not in the engine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add engines to a bundle, on the machine with the GPU.

    Builds an engine from each graph of the bundle and proves it. Needs neither PyTorch nor the run.
    """
    require("bundle", bundle)
    from ..export.engines.complete import build_engines
    from ..export.engines.options import EngineOptions, profiles

    options = EngineOptions(
        profiles=profiles(profile or []),
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
