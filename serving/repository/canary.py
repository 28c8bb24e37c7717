"""A candidate that may become a version of a model, as it lies in the repository.

A candidate is a Triton model of its own, `<name>-canary`, beside the one that serves:

    <name>-canary/config.pbtxt    its configuration under that name; `litho_canary_share` once it may have requests
    <name>-canary/<version>       its files, or a link to a version that the model has already
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import DeployError
from ..configuration.model_config import ParseError
from .versions import parameters, served_config

__all__ = ["CANARY_SUFFIX", "MODEL_PARAMETER", "SHARE_PARAMETER", "Canary", "canary_of"]

CANARY_SUFFIX = "-canary"
SHARE_PARAMETER = "litho_canary_share"
"""Parameter of a canary's configuration: share of the requests that clients send to it, above 0 and below 1."""

MODEL_PARAMETER = "litho_canary_of"
"""Parameter of a canary's configuration: the model that it may become a version of."""


@dataclass(frozen=True)
class Canary:
    """A candidate beside the model that it may become a version of.

    Args:
        path: its directory.
        version: its number among the versions of the model.
        share: of the requests, 0 to 1; None before it is proven.
    """

    path: Path
    version: int
    share: float | None

    @property
    def files(self) -> Path:
        """Directory of its version, which may be a link."""
        return self.path / str(self.version)


def canary_of(model: Path) -> Canary | None:
    """The candidate beside a model; None if there is none.

    Raises:
        DeployError: something else has its place.
    """
    path = model.with_name(model.name + CANARY_SUFFIX)
    try:
        config = served_config(path)
        (version,) = config.version_policy.specific.versions
        share = parameters(config).get(SHARE_PARAMETER)
        if parameters(config)[MODEL_PARAMETER] == model.name:
            return Canary(path, version, None if share is None else float(share))
    except (FileNotFoundError, NotADirectoryError):
        if not path.exists():
            return None
    except (ParseError, ValueError, KeyError):
        pass
    raise DeployError(f"{path} is in the way: candidates of {model.name} are put there; move it away")
