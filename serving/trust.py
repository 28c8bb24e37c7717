"""Whether every model of a repository is a signed bundle, served by litho's own model.py: `litho serve` asks.

Triton loads whatever lies in a model repository, and a model.py is a program. The check before the start refuses a
repository in which anything that decides about pictures is not signed or not litho's own; model.py checks its bundle
again while it loads it, with the key in `KEY_VARIABLE`.
"""

from __future__ import annotations

from pathlib import Path

from ..bundle import Bundle
from ..bundle.keys import PublicKey
from ..errors import DeployError, TrustError
from .repository import CONFIG_NAME, MODEL_NAME, Deployment, deployed, model_source, served_config

__all__ = ["KEY_VARIABLE", "check_repository"]

KEY_VARIABLE = "LITHO_REQUIRE_SIGNATURE"
"""Environment variable with a public key, 64 hexadecimal digits: model.py loads only bundles signed with it."""

_OWN_PARAMETERS = "litho_"


def check_repository(repository: Path, key: PublicKey) -> None:
    """Check the served version of every model in a repository.

    Raises:
        TrustError: a model's bundle is not signed with this key, or something else decides what the model does.
        DeployError: litho did not deploy a model.
        BundleError: a file of a bundle has changed.
    """
    for name in sorted(path.parent.name for path in repository.glob(f"*/{CONFIG_NAME}")):
        deployment = deployed(repository, name)
        assert deployment is not None, "its configuration was there"
        _check(deployment, key)


def _check(deployment: Deployment, key: PublicKey) -> None:
    model, config = deployment.path, served_config(deployment.path)
    if config.backend != "python":
        raise TrustError(
            f"{model} runs in Triton's backend {config.backend!r}, which checks no digital signature; deploy it with"
            " --flavour python"
        )
    if unknown := sorted(key for key in config.parameters if not key.startswith(_OWN_PARAMETERS)):
        raise TrustError(
            f"{model / CONFIG_NAME} sets {unknown[0]!r}, which litho does not write and which may run other code;"
            " deploy the bundle again"
        )
    program = model / str(deployment.version) / MODEL_NAME
    try:
        own = program.read_text(encoding="utf-8") == model_source()
    except (OSError, ValueError):
        own = False
    if not own:
        raise TrustError(
            f"{program} is not this litho's own: what it does is not known; deploy the bundle again"
        )
    bundle = Bundle.load(program.parent / "bundle", key=key)
    for variant in bundle.manifest.variants:
        if variant.verdict.status != "passed":
            raise TrustError(
                f"{model} serves {variant.name}, whose signed verdict is {variant.verdict.status!r}; deploy a variant"
                " that passed"
            )
    variants = ",".join(variant.name for variant in bundle.manifest.variants)
    said, signed = deployment.served, bundle.manifest
    if (said.signature, said.variant, said.checkpoint_sha256) != (
        *(signed.signature, variants, signed.checkpoint_sha256),
    ):
        raise DeployError(
            f"{model / CONFIG_NAME} describes another generator than its bundle; deploy it again"
        )
