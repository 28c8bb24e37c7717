"""Verbs of clusters: `manifest`, `fetch`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import UsageError
from ..files import check_folder
from .base import AsJson, verb
from .output import note, print_json
from .paths import require_file, require_repository
from .serving import PANEL

_WHERE, _WHO = "Where it runs", "Who may use it"

SourceOption = Annotated[
    str | None,
    typer.Option(
        help="Where the pods find the repository: pvc://CLAIM, pvc://CLAIM/FOLDER, s3://BUCKET/PREFIX or oci://NAME@sha256:DIGEST;"
        " by default the repository itself, if it is s3://.",
        rich_help_panel=_WHERE,
        show_default=False,
    ),
]


@verb(
    PANEL,
    "litho manifest s3://models/production --namespace models --name pictures --keys-secret keys --tls-secret tls",
    "litho manifest model_repository --source pvc://models --namespace models --name pictures --insecure",
    "litho manifest model_repository --source pvc://models --namespace models --insecure --format kserve",
    "litho manifest bundles/digits --source pvc://models --insecure --format values > values.yaml",
)
def manifest(
    target: Annotated[
        str,
        typer.Argument(
            help="Model repository, folder or s3://BUCKET/PREFIX; or a bundle.", show_default=False
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the release and its objects.")] = "litho",
    namespace: Annotated[str, typer.Option(help="Namespace of the objects.")] = "default",
    form: Annotated[
        Literal["kubernetes", "kserve", "values"],
        typer.Option("--format", help="Objects of Kubernetes, of KServe, or the values of the Helm chart."),
    ] = "kubernetes",
    values: Annotated[
        list[Path] | None,
        typer.Option(help="Further values of the chart in YAML, which win; repeatable.", show_default=False),
    ] = None,
    source: SourceOption = None,
    source_secret: Annotated[
        str | None,
        typer.Option(
            help="Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; by default the service account's rights.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    canary: Annotated[
        str | None,
        typer.Option(
            help="Another repository, which one more pod serves beside the others.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    canary_source: Annotated[
        str | None,
        typer.Option(
            help="Where that pod finds it, in the form of --source.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of pods.", rich_help_panel=_WHERE)
    ] = 2,
    image: Annotated[
        str | None,
        typer.Option(
            help="Triton's image; by default NVIDIA's newest known one.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    tensorrt: Annotated[
        str | None,
        typer.Option(
            help="Version of TensorRT in the image, if the image's tag does not say it.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            help="Registry of the images that litho builds, such as registry.example.org/models.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="What models on a GPU ask for: by default nvidia.com/gpu; or a part such as nvidia.com/mig-1g.10gb.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    gpu_product: Annotated[
        str | None,
        typer.Option(
            help="Only nodes with this GPU: their label nvidia.com/gpu.product.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    autoscale: Annotated[
        Literal["none", "hpa", "keda"],
        typer.Option(help="Change the number of pods by how long requests wait.", rich_help_panel=_WHERE),
    ] = "none",
    monitoring: Annotated[
        bool,
        typer.Option(
            "--monitoring",
            help="Also objects of the Prometheus operator, and the dashboard.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    traces: Annotated[
        str | None,
        typer.Option(
            help="OpenTelemetry collector, such as http://collector:4318/v1/traces.",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    require_signature: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of a public key: pods start only with bundles that are signed with it.",
            rich_help_panel=_WHO,
            show_default=False,
        ),
    ] = None,
    keys_secret: Annotated[
        str | None,
        typer.Option(
            help="Secret with keys.json, the gateway's keys.", rich_help_panel=_WHO, show_default=False
        ),
    ] = None,
    tls_secret: Annotated[
        str | None,
        typer.Option(
            help="Secret with the gateway's tls.crt and tls.key.", rich_help_panel=_WHO, show_default=False
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="A gateway without keys or TLS, as something before it has both.",
            rich_help_panel=_WHO,
        ),
    ] = False,
    no_gateway: Annotated[
        bool,
        typer.Option("--no-gateway", help="Pods of Triton alone, which answer gRPC.", rich_help_panel=_WHO),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the objects that serve a repository on Kubernetes.

    Names, versions, hashes, memory, ports, probes and limits follow from the models. Pods copy the repository, check
    every file, version and signature, and only then start Triton and the gateway. Objects are rendered by Helm from
    litho's chart; 'kubectl apply --filename -' takes them. With --format values the chart's values are printed, for
    'helm install'. A bundle stands for a new repository with it as version 1.
    """
    from ..extras import require
    from ..serving.manifests.rendering import CHART, check_release, objects_in, render, to_text
    from ..serving.manifests.values import Cluster, canary_of, check_target, opened, values_of

    require("yaml", "kubernetes")
    check_release(name, namespace)
    if form == "values" and values:
        raise UsageError(
            "--values was given with --format values; give it to Helm beside what is printed here"
        )
    if canary is None and canary_source is not None:
        raise UsageError("--canary-source was given without --canary; give both, or none")
    if form == "kserve" and canary is not None:
        raise UsageError("--canary was given with --format kserve, which has shares of its own; leave it out")
    if form == "kserve" and autoscale == "hpa":
        raise UsageError(
            "--autoscale hpa was given with --format kserve, which scales by keda alone; give that"
        )
    given: dict[str, Any] = {
        "source": source,
        "source_secret": source_secret,
        "tensorrt": tensorrt,
        "registry": registry,
        "gpu": gpu,
        "gpu_product": gpu_product,
        "replicas": replicas,
        "require_signature": require_signature,
        "keys_secret": keys_secret,
        "tls_secret": tls_secret,
        "insecure": insecure,
        "gateway": not no_gateway,
        "autoscaling": autoscale,
        "monitoring": monitoring,
        "traces": traces,
        **({} if image is None else {"image": image}),
    }
    check_target(target, source)
    if canary is not None:
        check_target(canary, canary_source, "--canary-source")
    cluster = Cluster(**given)
    with opened(target, require_signature) as repository:
        found = values_of(repository, target, cluster)
    if canary is not None:
        with opened(canary, require_signature) as repository:
            found["canary"] = canary_of(repository, canary, replace(cluster, source=canary_source))
    if form == "kserve":
        found["workload"] = "kserve"
    if form == "values":
        note(f"install with: helm install {name} {CHART} --namespace {namespace} --values FILE")
        print_json(found) if as_json else typer.echo(to_text(found), nl=False)
        return
    text = render(name, namespace, found, values or ())
    if as_json:
        print_json({"apiVersion": "v1", "kind": "List", "items": objects_in(text)})
    else:
        typer.echo(text, nl=False)


@verb(
    PANEL,
    "litho fetch s3://models/production --to models",
    "litho fetch /source --to /models --require-signature public.pem --pinned models.json",
)
def fetch(
    repository: Annotated[
        str,
        typer.Argument(
            help="Folder of a Triton model repository, or s3://BUCKET/PREFIX.", show_default=False
        ),
    ],
    to: Annotated[Path, typer.Option(help="Folder of the copy, created if absent.", show_default=False)],
    require_signature: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of a public key that every bundle must be signed with; by default the key in"
            " LITHO_REQUIRE_SIGNATURE, 64 hexadecimal digits.",
            show_default=False,
        ),
    ] = None,
    pinned: Annotated[
        Path | None,
        typer.Option(
            help="File of the versions that must be served, and no others; 'litho manifest' writes it.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy what a repository serves, and check everything.

    Every file is compared with its hash and, with a key, every signature is checked in the copy, so nobody can change
    it between the check and the start of a server. If a check fails, the folder stays as it was. The pods of 'litho
    manifest' do this before Triton starts.
    """
    require_repository(repository)
    require_file(pinned, "--pinned", "what 'litho manifest' writes of the versions")
    check_folder(to, "--to")
    from ..serving.repository.fetching import fetch as fetch_repository
    from ..serving.repository.pins import read_pins

    pins = None if pinned is None else read_pins(pinned).models
    fetched = fetch_repository(repository, to, key=_key(require_signature, environment=True), pins=pins)
    if as_json:
        print_json([json.loads(one.model_dump_json(exclude={"queue_seconds"})) for one in fetched])
        return
    for one in fetched:
        typer.echo(f"{to / one.name} version {one.version}")


def _key(path: Path | None, *, environment: bool = False) -> Any:
    """The public key of a PEM file, or of the environment, in which the pods have it."""
    from ..bundle.keys import PublicKey
    from ..serving.repository.trust import KEY_VARIABLE

    if path is not None:
        return PublicKey.read(path)
    text = os.environ.get(KEY_VARIABLE) if environment else None
    return PublicKey.from_text(text, KEY_VARIABLE) if text else None
