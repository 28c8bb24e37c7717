"""litho: from an image generator's PyTorch checkpoint to a served endpoint; the same seed gives the same picture.

    train_model        preset and data -> run
    evaluate_model     run -> figures of its quality
    export_model       run or your own module -> bundle of ONNX graphs and engines, each proven
    sign_model         bundle and private key -> digital signature beside the manifest
    verify_model       bundle, or a deployed form of it -> verdicts
    verify_against     bundle and the run that it was made from -> verdicts on references made anew
    deploy_model       bundle -> Triton model repository
    open_model         run, bundle or endpoint -> runner with `run` and `generate`
    push_model         run or bundle -> registry: the Hugging Face hub, an OCI registry, or a folder
    pull_model         registry -> run or bundle, every file compared
    generate_images    run, bundle or endpoint -> PNG files
    generate_shards    run, bundle or endpoint -> any number of pictures as shards of a data set
    open_pool          workers of this machine or of a Ray cluster, for the verbs that take a pool
    reproduce_picture  picture of the gateway and bundle or endpoint -> the same picture or not
    verify_audit_log   audit log -> its head, if no line was changed or removed
    bench_model        run, bundle or endpoint -> latency and throughput

Each name is imported when it is first used: `import litho` loads neither torch nor any runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .benchmarks import bench as bench_model
    from .bundle import Bundle, sign_bundle as sign_model
    from .errors import LithoError
    from .export.against import verify_against
    from .export.build import export as export_model
    from .parity.verify import verify as verify_model
    from .registry.pull import pull as pull_model
    from .registry.push import push as push_model
    from .runners import open_runner, open_runner as open_model
    from .runners._pools import open_pool
    from .serving.clients.async_client import AsyncClient
    from .serving.clients.client import Client
    from .serving.generation.generate import generate as generate_images
    from .serving.generation.shards import generate_shards
    from .serving.provenance.audit_check import verify_log as verify_audit_log
    from .serving.provenance.reproduce import reproduce as reproduce_picture
    from .serving.repository.deploy import deploy as deploy_model
    from .serving.server.embedded import EmbeddedServer
    from .signature import Signature
    from .training.evaluation.evaluate import evaluate as evaluate_model
    from .training.loop import train as train_model

__all__ = [
    "AsyncClient",
    "Bundle",
    "Client",
    "EmbeddedServer",
    "LithoError",
    "Signature",
    "__version__",
    "bench_model",
    "deploy_model",
    "evaluate_model",
    "export_model",
    "generate_images",
    "generate_shards",
    "open_model",
    "open_pool",
    "open_runner",
    "pull_model",
    "push_model",
    "reproduce_picture",
    "sign_model",
    "train_model",
    "verify_against",
    "verify_audit_log",
    "verify_model",
]

# The bare verbs are taken by folders: `litho.export` is a package.
_LOCATIONS = {
    "AsyncClient": ".serving.clients.async_client",
    "Bundle": ".bundle",
    "Client": ".serving.clients.client",
    "EmbeddedServer": ".serving.server.embedded",
    "LithoError": ".errors",
    "Signature": ".signature",
    "bench_model": ".benchmarks:bench",
    "deploy_model": ".serving.repository.deploy:deploy",
    "evaluate_model": ".training.evaluation.evaluate:evaluate",
    "export_model": ".export.build:export",
    "generate_images": ".serving.generation.generate:generate",
    "generate_shards": ".serving.generation.shards",
    "open_model": ".runners:open_runner",
    "open_pool": ".runners._pools",
    "open_runner": ".runners",
    "pull_model": ".registry.pull:pull",
    "push_model": ".registry.push:push",
    "reproduce_picture": ".serving.provenance.reproduce:reproduce",
    "sign_model": ".bundle:sign_bundle",
    "train_model": ".training.loop:train",
    "verify_against": ".export.against",
    "verify_audit_log": ".serving.provenance.audit_check:verify_log",
    "verify_model": ".parity.verify:verify",
}


def __getattr__(name: str) -> Any:
    if name in _LOCATIONS:
        module, _, attribute = _LOCATIONS[name].partition(":")
        return getattr(import_module(module, __name__), attribute or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
