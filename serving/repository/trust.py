"""Whether every model of a repository is a signed bundle, served by litho's own backend: `litho serve` asks.

Triton runs programs that lie in a model repository, even where the configuration names a backend: it looks for that
backend in the version directory and in the model's before it looks among its own. The check before the start refuses
a repository in which anything that decides about pictures is not signed or not litho's own; the backend checks its
bundle again while it loads it, with the key in `KEY_VARIABLE`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ...bundle import Bundle
from ...bundle.keys import PublicKey
from ...errors import DeployError, TrustError
from ...files import sha256
from ..backend import BACKEND
from ..backend.instance import KEY_VARIABLE
from ..configuration.model_config import ModelConfig
from ..configuration.warm_up import WARM_UP
from .versions import CONFIG_NAME, Deployment, deployed, model_names, served_config

__all__ = ["KEY_VARIABLE", "check_repository"]

_OWN_PARAMETERS = "litho_"
_OWN_FILES = {CONFIG_NAME, "bundle", WARM_UP}
_MODEL_NAME = "model.py"
_OWN_PROGRAMS = {"2e98eff1ef31645daebde3db34c2657a1c63ce33653efad52098ef6e668e1610"}
"""SHA-256 of each model.py by which an older litho deployed to backend python and which checks digital signatures."""


def check_repository(repository: Path, key: PublicKey) -> None:
    """Check the served version of every model in a repository.

    Raises:
        TrustError: a model's bundle is not signed with this key, or something else decides what the model does.
        DeployError: litho did not deploy a model.
        BundleError: a file of a bundle has changed.
    """
    for name in model_names(repository):
        deployment = deployed(repository, name)
        assert deployment is not None, "its configuration was there"
        _check(deployment, key)


def _check(deployment: Deployment, key: PublicKey) -> None:
    model, config = deployment.path, served_config(deployment.path)
    if config.backend not in (BACKEND, "python"):
        raise TrustError(
            f"{model} runs in Triton's backend {config.backend!r}, which checks no digital signature; deploy it with"
            f" --flavour {BACKEND}"
        )
    if unknown := sorted(key for key in config.parameters if not key.startswith(_OWN_PARAMETERS)):
        raise TrustError(
            f"{model / CONFIG_NAME} sets {unknown[0]!r}, which litho does not write and which may run other code;"
            " deploy the bundle again"
        )
    version = model / str(deployment.version)
    _check_programs(model, version, config)
    bundle = Bundle.load(version / "bundle", key=key)
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


def _check_programs(model: Path, version: Path, config: ModelConfig) -> None:
    """Refuse every file from which Triton could take a program, and settings that make it take one."""
    if config.runtime or config.default_model_filename not in ("", _MODEL_NAME):
        raise TrustError(
            f"{model / CONFIG_NAME} chooses the program that runs the model, which litho does not;"
            " deploy the bundle again"
        )
    own = set(_OWN_FILES)
    if config.backend != BACKEND:
        program = version / _MODEL_NAME
        if not program.is_file() or sha256(program) not in _OWN_PROGRAMS:
            raise TrustError(
                f"{program} is not litho's own: what it does is not known; deploy the bundle again"
            )
        # Python would run a compiled file there in place of the program that was checked.
        shutil.rmtree(version / "__pycache__", ignore_errors=True)
        own.add(_MODEL_NAME)
    for path in (*version.iterdir(), *model.iterdir()):
        is_version = path.parent == model and path.name.isdecimal()
        if path.name not in own and not is_version:
            raise TrustError(f"{path} was not written by litho, and Triton may run it; remove it")
