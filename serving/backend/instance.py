"""What Triton tells an instance of a model about itself, and the runner of its bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...bundle import Bundle
from ...bundle.keys import PublicKey
from ...errors import UsageError
from ...runners import Runner, open_runner
from ...runners.base import thread_count

__all__ = ["KEY_VARIABLE", "Instance"]

KEY_VARIABLE = "LITHO_REQUIRE_SIGNATURE"
"""Environment variable with a public key, 64 hexadecimal digits: only bundles signed with it are loaded."""

_PREFIX = "litho_"


@dataclass(frozen=True)
class Instance:
    """One instance of a deployed model.

    Args:
        path: the version directory.
        config: the model's configuration, as Triton gives it in JSON.
        device: where it runs, as `open_runner` takes it.
    """

    path: Path
    config: Mapping[str, Any]
    device: str = "cpu"

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, str]) -> Self:
        """Read the arguments of `TritonPythonModel.initialize`.

        For a backend of its own, `model_repository` is the directory of the model, as it is for backend python.
        """
        gpu = arguments["model_instance_kind"] == "GPU"
        return cls(
            Path(arguments["model_repository"]) / arguments["model_version"],
            json.loads(arguments["model_config"]),
            f"cuda:{arguments['model_instance_device_id']}" if gpu else "cpu",
        )

    def parameter(self, name: str) -> str | None:
        """A parameter that litho wrote into the configuration, such as "batching"; None if it is absent or empty."""
        return self.config.get("parameters", {}).get(_PREFIX + name, {}).get("string_value") or None

    @property
    def threads(self) -> int:
        """Threads that share one operator on a CPU: what was deployed, else this instance's share of the cores.

        Instances that each take all cores disturb each other: on two cores, two instances with two threads used 8 to
        12 % more processor time for a picture than two with one thread.

        Raises:
            UsageError: the configuration has no number of 1 or more.
        """
        given = self.parameter("threads")
        if given is None:
            return -(-thread_count(None) // self._instances)
        if not given.isdecimal() or int(given) < 1:
            raise UsageError(f"litho_threads was given {given!r}; allowed is 1 or more")
        return int(given)

    @property
    def _instances(self) -> int:
        """Instances of this model on the CPU, which share its cores."""
        groups = self.config.get("instance_group", [])
        return max(1, sum(int(one["count"]) for one in groups if one.get("kind") == "KIND_CPU"))

    def open(self, threads: int | None = None) -> Runner:
        """Open the bundle of this version, which has one variant of each stage.

        Args:
            threads: that share one operator; by default those of the instance.

        Raises:
            TrustError: a digital signature is required, and the bundle has none or another.
            BundleError: there is no bundle, or a file of it has changed.
            LithoError: a variant cannot be opened on this machine.
        """
        bundle = self._load()
        names = ",".join(variant.name for variant in bundle.manifest.variants)
        return open_runner(bundle, names, device=self.device, threads=threads or self.threads)

    def _load(self) -> Bundle:
        # Whoever deployed the model may require a signature, and so may whoever started the server.
        required = {
            "litho_public_key": self.parameter("public_key"),
            KEY_VARIABLE: os.environ.get(KEY_VARIABLE),
        }
        keys = [PublicKey.from_text(text, source) for source, text in required.items() if text]
        loaded = [Bundle.load(self.path / "bundle", key=key) for key in dict.fromkeys(keys)]
        return loaded[0] if loaded else Bundle.load(self.path / "bundle")
