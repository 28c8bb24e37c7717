"""The `litho` command: one verb per stage, no logic of its own.

Every stage is imported inside its verb, so that `litho --help` starts at once. Results go to standard output,
progress and errors to standard error. Exit code 0: done; 1: tried and failed; 2: cannot be asked for.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import typer

from .errors import LithoError
from .extras import missing
from .terminal import (
    fixed_inputs,
    numbers,
    pairs,
    print_json,
    progress_bar,
    show_rows,
    show_variants,
    verdict_words,
    words,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="litho",
    help="Take an image generator from a PyTorch checkpoint to a served endpoint, and prove every step.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
server = typer.Typer(help="The embedded Triton server's own environment.", no_args_is_help=True)
app.add_typer(server, name="server")

_TYPER_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt inside a command."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu or cuda.")]
Name = Annotated[
    str | None, typer.Option(help="Name of the model in the repository; by default the bundle's.")
]
VariantName = Annotated[
    str | None,
    typer.Option(
        "--variant", help="Which variant of the bundle; of several stages, names separated by commas."
    ),
]
Repository = Annotated[Path, typer.Argument(help="A Triton model repository.", show_default=False)]
BundlePath = Annotated[Path, typer.Argument(help="A bundle made by 'litho export'.", show_default=False)]


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    debug = "--debug" in sys.argv[1:]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=[word for word in sys.argv[1:] if word != "--debug"], standalone_mode=False)
    except LithoError as error:
        code = _fail(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        code = _fail(
            "interrupted; nothing half-written is left, the same command starts or goes on again", 1, debug
        )
    except OSError as error:
        code = _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1, debug)
    except Exception as error:
        code = _handle(error, debug)
    if code == _TYPER_INTERRUPTED:
        code = _fail(
            "interrupted; nothing half-written is left, the same command starts or goes on again", 1, debug
        )
    sys.exit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if version:
        from . import __version__

        typer.echo(f"litho {__version__}")
        raise typer.Exit()


@app.command(epilog="Example: litho train cgan-digits --run runs/digits --set nimg=20000")
def train(
    preset: Annotated[
        str, typer.Argument(help="Name of a preset; an unknown one lists them.", show_default=False)
    ],
    run: Annotated[Path | None, typer.Option(help="Directory of the run; by default runs/PRESET.")] = None,
    budget: Annotated[
        Literal["cpu", "gpu"], typer.Option(help="Size of the preset: for a few slow cores, or the full one.")
    ] = "gpu",
    data: Annotated[
        str | None, typer.Option(help="Data set; by default the preset's. See docs/data.md.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and stop.")] = False,
) -> None:
    """Train a preset; the same command resumes an interrupted run and skips a finished one."""
    from .training.loop import train as train_run
    from .training.presets import resolve

    overrides = pairs(set_ or [], "--set")
    if dry_run:
        typer.echo(resolve(preset, budget=budget, data=data, overrides=overrides).model_dump_json(indent=2))
        return
    typer.echo(
        train_run(preset, run=run or Path("runs") / preset, budget=budget, data=data, overrides=overrides)
    )


@app.command(epilog="Example: litho evaluate runs/digits --samples 2000")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Compare with this data; by default the run's own.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="How many pictures to draw.")] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="TorchScript file inception-2015-12-05.pt, for FID and IS.", show_default=False),
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Measure how good a run's pictures are, each figure between a floor and a ceiling."""
    from .training.evaluation import SAMPLES
    from .training.evaluation import evaluate as evaluate_run
    from .training.evaluation.page import figure_words

    with progress_bar() as progress:
        evaluation = evaluate_run(
            run,
            data=data,
            samples=samples or SAMPLES,
            device=device,
            inception=inception,
            progress=progress,
        )
    if as_json:
        typer.echo(evaluation.model_dump_json(indent=2))
    else:
        show_rows(
            ["figure", "value|right", "floor|right", "of", "ceiling|right", "of", "better"],
            [
                [
                    figure.metric,
                    figure_words(figure.value, figure.unit),
                    figure_words(figure.floor, figure.unit),
                    figure.floor_of,
                    figure_words(figure.ceiling, figure.unit),
                    figure.ceiling_of,
                    figure.better,
                ]
                for section in evaluation.sections
                for figure in section.figures
            ],
        )
        typer.echo(run / "evaluation.html")
    failed = [section for section in evaluation.sections if section.failure]
    if failed:
        raise LithoError(f"{failed[0].title} could not be measured: {failed[0].failure}")


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
    from .export.build import export as export_run
    from .export.source import bundle_name

    fixed = fixed_inputs(fix or [])
    name = bundle_name(source, input, foreign=signature is not None, fixed=fixed)
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
    from .export.engines.complete import build_engines
    from .export.engines.options import EngineOptions, profiles

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


@app.command(epilog="Example: litho inspect bundles/digits")
def inspect(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Show what a bundle holds, after checking every file of it."""
    from .bundle import Bundle

    loaded = Bundle.load(bundle)
    manifest = loaded.manifest
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
        return
    show_rows(
        ("field", "takes", "classes"),
        [
            (field.name, field.allowed, ", ".join(field.class_names or ()))
            for field in manifest.signature.inputs
        ]
        + [(manifest.signature.output.name, f"gives {manifest.signature.output.allowed}", "")],
    )
    if manifest.sampler is not None:
        stages = ", ".join(stage.name for stage in manifest.stages)
        typer.echo(f"\nsampler {manifest.sampler} runs in turn: {stages}")
    typer.echo()
    show_variants(loaded, as_json=False)


@app.command(epilog="Example: litho verify bundles/digits --endpoint grpc://127.0.0.1:8001/digits")
def verify(
    bundle: BundlePath,
    endpoint: Annotated[
        str | None, typer.Option(help="Replay through this server instead: grpc://HOST:PORT/MODEL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a bundle and replay its probes, here or through a running server."""
    from .export.verify import verify as verify_bundle

    with progress_bar() as progress:
        outcomes = verify_bundle(bundle, endpoint=endpoint, progress=progress)
    if as_json:
        print_json([{"subject": outcome.subject, **outcome.verdict.model_dump()} for outcome in outcomes])
    else:
        show_rows(
            ("subject", "verdict", "figures"),
            [
                (outcome.subject, outcome.verdict.status, verdict_words(outcome.verdict))
                for outcome in outcomes
            ],
        )
    failed = [outcome for outcome in outcomes if outcome.verdict.status == "failed"]
    if failed:
        raise LithoError(f"{failed[0].subject} does not give the same pictures: {failed[0].verdict.reason}")
    if not any(outcome.verdict.status == "passed" for outcome in outcomes):
        raise LithoError(
            "nothing could be replayed on this machine; see the table for what each variant needs"
        )


@app.command(epilog="Example: litho deploy bundles/digits --to model_repository")
def deploy(
    bundle: BundlePath,
    to: Annotated[Path, typer.Option(help="The Triton model repository; made if absent.")] = Path(
        "model_repository"
    ),
    name: Name = None,
    variant: VariantName = None,
    flavour: Annotated[
        Literal["python", "onnxruntime"],
        typer.Option(help="For the embedded server: python; for containers: onnxruntime."),
    ] = "python",
    accept_failed: Annotated[
        list[str] | None, typer.Option(help="Deploy this variant although it failed its gate; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a bundle into a model repository as a new version; the versions before stay."""
    from .bundle import Bundle
    from .serving.repository import deploy as deploy_bundle

    deployment = deploy_bundle(
        Bundle.load(bundle),
        to=to,
        name=name,
        variant=variant,
        flavour=flavour,
        accept_failed=accept_failed or (),
    )
    if as_json:
        print_json({"path": str(deployment.path), "version": deployment.version})
    else:
        typer.echo(f"{deployment.path} serves version {deployment.version}")


@app.command(epilog="Example: litho rollback model_repository digits")
def rollback(
    repository: Repository,
    name: Annotated[str, typer.Argument(help="Name of the model.", show_default=False)],
) -> None:
    """Return a deployed model to the version before."""
    from .serving.repository import rollback as roll_back

    typer.echo(f"{repository / name} serves version {roll_back(repository, name)}")


@server.command("install", epilog="Example: litho server install")
def install() -> None:
    """Make the embedded Triton server's own environment; a second call returns at once."""
    from .serving.environment import install as install_server

    with progress_bar() as progress:
        path = install_server(progress)
    typer.echo(path)


@app.command(epilog="Example: litho serve model_repository --grpc-port 8001")
def serve(
    repository: Repository,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    http_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="By default a free one.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Bind an address that other machines reach.")
    ] = False,
) -> None:
    """Serve a model repository by the embedded Triton server until Ctrl-C; for development on this machine."""
    from .serving.server import serve as serve_repository

    serve_repository(
        repository,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        allow_remote=allow_remote,
    )


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
    from .generate import generate as generate_pictures

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


@app.command(
    epilog="Example: litho bench grpc://127.0.0.1:8001/digits --against bundles/digits --output bench"
)
def bench(
    target: Annotated[
        str, typer.Argument(help="grpc://HOST:PORT/MODEL, a bundle, or a run.", show_default=False)
    ],
    against: Annotated[
        str | None, typer.Option(help="Compare with this bundle, run or endpoint, measured in turns.")
    ] = None,
    at_least: Annotated[
        float | None, typer.Option(help="Fail unless the ratio of throughputs reaches this.")
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(help="Requests in flight, such as 1,8,32; by default 1 to 32 at an endpoint."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Pictures in a request, such as 1,8; by default 1 to 32 in process.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the whole measurement.")] = 60.0,
    soak: Annotated[int | None, typer.Option(help="Afterwards watch memory over so many requests.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for bench.json and bench.html.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput under a range of loads, warm-up excluded."""
    from .benchmarks import bench as measure
    from .benchmarks.report import lines, table

    with progress_bar() as progress:
        result = measure(
            target,
            against=against,
            at_least=at_least,
            concurrency=numbers(concurrency, "--concurrency"),
            batch=numbers(batch, "--batch"),
            seconds=seconds,
            soak_requests=soak,
            output=output,
            progress=progress,
        )
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        show_rows(*table(result, brief=True))
        for line in lines(result):
            typer.echo(line)
    if result.comparison is not None and result.comparison.passed is False:
        raise LithoError(f"the ratio {result.comparison.ratio:.2f} is below the {at_least:g} asked for")


@app.command(epilog="Example: litho demo --seconds 20")
def demo(
    to: Annotated[Path, typer.Option(help="Directory of everything that the demo makes.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 20.0,
) -> None:
    """Go the whole way once: train, export, prove, deploy, serve, measure."""
    from .benchmarks.report import lines, table
    from .demo import demo as run_demo

    with progress_bar() as progress:
        result = run_demo(to, seconds=seconds, progress=progress)
    show_rows(*table(result.bench, brief=True))
    for line in lines(result.bench):
        typer.echo(line)
    show_rows(
        ["what", "result|right"],
        [
            ["pictures whose class is recognised", f"{result.agreement:.1%}"],
            ["variety inside a class, of the real digits'", f"{result.variety:.0%}"],
            *([f"time for: {step}", f"{took:.1f} s"] for step, took in result.seconds.items()),
        ],
    )
    typer.echo(result.samples)
    typer.echo(result.report)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _handle(error: Exception, debug: bool) -> int:
    # Usage errors of typer bring their message and code; anything else is a fault of ours.
    format_message: Any = getattr(error, "format_message", None)
    if format_message is not None:
        return _fail(f"{format_message()} See: litho --help", getattr(error, "exit_code", 2), debug)
    if isinstance(error, ModuleNotFoundError) and (extra := missing(error)) is not None:
        return _fail(str(extra), extra.exit_code, debug)
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return _fail("aborted", 1, debug)
    return _fail(f"unexpected {type(error).__name__}: {error} (see it whole with --debug)", 1, debug)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    typer.echo(f"litho: error: {' '.join(message.split())}", err=True)
    return code
