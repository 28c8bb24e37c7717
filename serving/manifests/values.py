"""The values of the Helm chart, as they follow from the models that a repository serves."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tritonclient.grpc import model_config_pb2

from ..._version import __version__
from ...bundle import MANIFEST_NAME
from ...bundle.keys import PublicKey
from ...errors import DeployError, UsageError
from ..backend import BACKEND
from ..container.images import IMAGE, ServedModelFiles, check_image, own_image, served
from ..container.sizes import instance_count, memory_bytes, request_bytes, shared_memory_bytes
from ..repository.deploy import fill_version
from ..repository.pins import pin_of
from ..repository.planning import Plan, Wanted
from ..repository.storage import Replica, cache_folder, is_remote
from ..repository.trust import check_repository
from ..repository.versions import add_version, model_names
from ..server.traces import check_collector
from .source import Source

__all__ = ["Cluster", "canary_of", "check_target", "opened", "values_of"]

triton: Any = model_config_pb2  # protobuf makes the classes of the schema while it is imported

_MIB = 1 << 20
_FORMS = {
    "--keys-secret": (r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", "the name of a Secret, such as gateway-keys"),
    "--tls-secret": (r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", "the name of a Secret, such as gateway-tls"),
    "--source-secret": (r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", "the name of a Secret, such as s3"),
    "--gpu": (r"[a-z0-9][-a-z0-9.]{0,252}/[A-Za-z0-9][-\w.]{0,62}", "a resource such as nvidia.com/gpu"),
    "--gpu-product": (r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", "a node's label such as NVIDIA-L4"),
    "--registry": (
        r"[a-z0-9][-a-z0-9.]*(:\d+)?(/[-a-z0-9._]+)*/?",
        "a registry such as registry.example.org/models",
    ),
    "--tensorrt": (r"\d+(\.\d+){1,3}", "a version such as 10.5.0"),
}
"""Option -> what Kubernetes, or a registry, takes; and in words."""
_UNTIMED_SECONDS = 0.1
_LEAST_QUEUE_SECONDS = 0.01
_LOADING_BYTES_PER_SECOND = 50 * _MIB  # what a network volume gives at worst
_START_SECONDS = 120
_INSTANCE_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """What the models do not tell: where they run, and who may use them.

    Args:
        source: where the pods find the repository; None if the target itself is a URL.
        source_secret: Secret with the credentials of object storage; None for the service account's rights.
        image: NVIDIA's Triton image, or one made from it.
        tensorrt: version of TensorRT in it; by default that of its release.
        registry: that holds the images which litho builds, such as "registry.example.org/models"; None for their bare
            names.
        gpu: resource that a pod asks for where models run on a GPU, by default "nvidia.com/gpu", or a part of one.
        gpu_product: value of the node label nvidia.com/gpu.product; None for any.
        replicas: pods.
        require_signature: PEM file of the public key that every bundle must be signed with; None asks for none.
        keys_secret, tls_secret: Secrets with the gateway's keys and its certificate; None for none.
        insecure: without keys or TLS at the gateway, as something before it has both.
        gateway: whether pods have a gateway; without one, gRPC answers.
        autoscaling: by what the number of pods changes.
        monitoring: whether there are objects of the Prometheus operator and the dashboard.
        traces: collector of OpenTelemetry; None for no traces.
    """

    source: str | None = None
    source_secret: str | None = None
    image: str = IMAGE
    tensorrt: str | None = None
    registry: str | None = None
    gpu: str | None = None
    gpu_product: str | None = None
    replicas: int = 2
    require_signature: Path | None = None
    keys_secret: str | None = None
    tls_secret: str | None = None
    insecure: bool = False
    gateway: bool = True
    autoscaling: Literal["none", "hpa", "keda"] = "none"
    monitoring: bool = False
    traces: str | None = None

    def __post_init__(self) -> None:
        for option, (form, words) in _FORMS.items():
            given = getattr(self, option[2:].replace("-", "_"))
            if given is not None and not re.fullmatch(form, given, re.ASCII):
                raise UsageError(f"{option} was given {given!r}; expected {words}")
        if self.traces is not None:
            check_collector(self.traces)
        given = [
            name
            for name, value in (("--keys-secret", self.keys_secret), ("--tls-secret", self.tls_secret))
            if value is not None
        ]
        if not self.gateway and (given or self.insecure):
            raise UsageError(f"{(given or ['--insecure'])[0]} is for the gateway; leave --no-gateway out")
        if self.gateway and len(given) < 2 and not self.insecure:
            raise UsageError(
                "other machines reach the gateway: give --keys-secret and --tls-secret, or insist with --insecure"
                " where something before it has both"
            )
        if self.insecure and len(given) == 2:
            raise UsageError("--insecure was given, but keys and TLS are on; leave it out")

    def source_of(self, target: str) -> Source:
        """Where the pods find the repository that was named."""
        _check_found(target, self.source)
        return Source.parse(self.source or target, self.source_secret)


def check_target(target: str, source: str | None, option: str = "--source") -> None:
    """Refuse a target that is neither a URL nor a folder of a repository or a bundle here, or that no pod would find.

    Args:
        target: see `opened`.
        source: where pods find it; None for the target itself.
        option: by which the source is given, for the message.

    Raises:
        UsageError: it is neither, or lies on this machine and has no source.
    """
    _check_present(target)
    _check_found(target, source, option)


def _check_found(target: str, source: str | None, option: str = "--source") -> None:
    if source is None and not is_remote(target):
        raise UsageError(
            f"{target} lies on this machine, where no cluster finds it; give {option} pvc://CLAIM[/FOLDER],"
            " s3://BUCKET/PREFIX or oci://NAME@sha256:DIGEST"
        )


def _check_present(target: str) -> None:
    if not is_remote(target) and not (Path(target, MANIFEST_NAME).is_file() or model_names(Path(target))):
        raise UsageError(
            f"there is neither a model repository nor a bundle at {target!r}; make one with 'litho deploy' or 'litho"
            " export', or give s3://BUCKET/PREFIX"
        )


@contextmanager
def opened(target: str, require_signature: Path | None = None) -> Iterator[Path]:
    """The repository of a target as a folder, while the block runs.

    Args:
        target: folder of a repository, s3://BUCKET/PREFIX, or folder of a bundle, which stands for a new repository
            as `litho deploy` makes it of this bundle.
        require_signature: PEM file of the public key that a bundle must be signed with.

    Raises:
        UsageError: nothing lies there.
        DeployError, BundleError, StorageError: it cannot be served.
    """
    if is_remote(target):
        replica = Replica(target, cache_folder(target))
        replica.refresh()
        yield replica.path
        return
    _check_present(target)
    path = Path(target)
    if not (path / MANIFEST_NAME).is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="litho-manifest-") as scratch:
        plan = Plan.of(path, Wanted(require_signature=require_signature))
        plan.check()
        add_version(Path(scratch) / plan.description.name, 1, partial(fill_version, plan))
        yield Path(scratch)


def values_of(repository: Path, target: str, cluster: Cluster) -> dict[str, Any]:
    """The chart's values for a repository.

    Args:
        repository: its folder; see `opened`.
        target: as it was named.
        cluster: the rest.

    Raises:
        UsageError: the image cannot serve the models, or an option does not fit.
        DeployError: there is no model, or litho did not deploy one.
        TrustError: a model is not signed with the required key.
    """
    key = None if cluster.require_signature is None else PublicKey.read(cluster.require_signature)
    models = _checked(repository, target, cluster, key)
    monitored = cluster.monitoring
    return {
        **_served_values(repository, models, cluster.source_of(target), cluster),
        "trust": {"publicKey": "" if key is None else key.text, "pinned": True},
        "images": {
            "litho": _named(cluster, f"litho:{__version__}"),
            "triton": _triton_image(cluster, models),
        },
        "replicas": cluster.replicas,
        "gateway": {
            "enabled": cluster.gateway,
            "keysSecret": cluster.keys_secret or "",
            "tlsSecret": cluster.tls_secret or "",
            "insecure": cluster.insecure,
        },
        "autoscaling": {
            "kind": cluster.autoscaling,
            "minReplicas": cluster.replicas,
            "maxReplicas": 4 * cluster.replicas,
        },
        "monitoring": {"podMonitor": monitored, "rules": monitored, "dashboard": monitored},
    }


def canary_of(repository: Path, target: str, cluster: Cluster) -> dict[str, Any]:
    """The chart's `canary`: one pod beside the others, with another repository.

    Args:
        repository, target, cluster: as `values_of` takes them, of the other repository.

    Raises:
        UsageError, DeployError, TrustError: as `values_of`.
    """
    key = None if cluster.require_signature is None else PublicKey.read(cluster.require_signature)
    models = _checked(repository, target, cluster, key)
    return {
        "enabled": True,
        "replicas": 1,
        **_served_values(repository, models, cluster.source_of(target), cluster),
    }


def _checked(
    repository: Path, target: str, cluster: Cluster, key: PublicKey | None
) -> tuple[ServedModelFiles, ...]:
    models = served(repository)
    if not models:
        raise DeployError(f"{target} holds no model; add one with 'litho deploy'")
    check_image(cluster.image, models, cluster.tensorrt)
    if key is not None:
        check_repository(repository, key)
    return models


def _served_values(
    repository: Path, models: Sequence[ServedModelFiles], source: Source, cluster: Cluster
) -> dict[str, Any]:
    pins = [pin_of(repository, model.name, _queue_seconds(model)) for model in models]
    return {
        "models": [pin.model_dump(by_alias=True) for pin in pins],
        "source": {**source.to_values(), **_room(models)},
        "triton": _triton(cluster, models),
    }


def _triton(cluster: Cluster, models: Sequence[ServedModelFiles]) -> dict[str, Any]:
    needs_gpu = any(_on_gpu(model) for model in models)
    for option, given in (("--gpu", cluster.gpu), ("--gpu-product", cluster.gpu_product)):
        if not needs_gpu and given is not None:
            raise UsageError(f"{option} was given, and no model runs on a GPU; leave it out")
    instances = sum(instance_count(model) for model in models)
    own = sum(instance_count(model) for model in models if model.config.backend in (BACKEND, "python"))
    size = sum(model.size_bytes for model in models)
    gpu = {"resource": cluster.gpu or "nvidia.com/gpu", "count": 1, "product": cluster.gpu_product or ""}
    return {
        "instances": own,
        "sharedMemory": _mebibytes(shared_memory_bytes(models)),
        "cpu": str(instances + 1 if needs_gpu else max(2, instances)),
        "memory": _mebibytes(memory_bytes(models)),
        "requestBytes": request_bytes(models),
        "startupSeconds": math.ceil(
            _START_SECONDS + _INSTANCE_SECONDS * instances + size / _LOADING_BYTES_PER_SECOND
        ),
        "grpc": not cluster.gateway,
        "traces": cluster.traces or "",
        **({"gpu": gpu} if needs_gpu else {}),
    }


def _queue_seconds(model: ServedModelFiles) -> float:
    """How long a request may wait: as long as one largest batch takes; longer waits mean too few servers."""
    if model.manifest is None:
        return _UNTIMED_SECONDS
    most = max(1, model.config.max_batch_size)
    times = {
        timing.batch: timing.p50_ms / 1e3
        for variant in model.manifest.variants
        for timing in variant.timings
        if timing.batch <= most
    }
    if not times:
        return _UNTIMED_SECONDS
    delay = model.config.dynamic_batching.max_queue_delay_microseconds / 1e6
    return round(max(_LEAST_QUEUE_SECONDS, times[max(times)] + delay), 4)


def _on_gpu(model: ServedModelFiles) -> bool:
    kind = triton.ModelInstanceGroup.Kind.Value("KIND_GPU")
    return any(group.kind == kind for group in model.config.instance_group)


def _room(models: Sequence[ServedModelFiles]) -> dict[str, str]:
    """Storage and memory to copy and check the files: twice their size while the copy before is still there."""
    size = sum(model.size_bytes for model in models)
    return {"size": _mebibytes(2 * size + 256 * _MIB), "memory": _mebibytes(2 * size + 1024 * _MIB)}


def _mebibytes(size: int) -> str:
    return f"{math.ceil(size / _MIB)}Mi"


def _triton_image(cluster: Cluster, models: Sequence[ServedModelFiles]) -> str:
    own = own_image(cluster.image, models)
    return cluster.image if own is None else _named(cluster, own)


def _named(cluster: Cluster, image: str) -> str:
    return image if cluster.registry is None else f"{cluster.registry.rstrip('/')}/{image}"
