"""Which models of a repository a server loads, as their configurations say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..configuration.model_config import CONFIG_NAME, ParseError, parse_config
from ..repository.canary import CANARY_SUFFIX, SHARE_PARAMETER
from ..repository.versions import model_names

__all__ = ["is_cached", "served_models"]


def served_models(repository: Path) -> tuple[str, ...]:
    """Names of the models that a server of a repository loads, sorted.

    A canary that was never given a share of the requests is what an interrupted rollout left: it is not loaded.
    """
    names = model_names(repository)
    return tuple(name for name in names if not _is_leftover(repository, name, names))


def is_cached(model: Path) -> bool:
    """Whether the configuration in a model's directory asks for the response cache."""
    with suppress(OSError, ValueError, ParseError):  # Triton says what is wrong with a configuration
        return parse_config((model / CONFIG_NAME).read_text(encoding="utf-8")).response_cache.enable
    return False


def _is_leftover(repository: Path, name: str, names: list[str]) -> bool:
    if not name.endswith(CANARY_SUFFIX) or name.removesuffix(CANARY_SUFFIX) not in names:
        return False
    try:
        config = parse_config((repository / name / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, ParseError):
        return True
    return not config.parameters[SHARE_PARAMETER].string_value
