"""Checks a model before it is written, or in its repository: `rules`, and the names and files that must be there.

`litho deploy` asks before it writes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .description import Description, ModelConfig
from .flavours import Flavour
from .model_config import CONFIG_NAME, CONFIGS, ParseError, parse_config
from .rules import RULES
from .warm_up import WARM_UP

__all__ = ["Violation", "check_config", "check_files", "check_model", "check_plan"]


@dataclass(frozen=True)
class Violation:
    """A rule that a configuration breaks.

    Args:
        rule: name of the rule.
        message: one line: what was given, and what is allowed.
    """

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [{self.rule}]"


def check_config(config: ModelConfig) -> list[Violation]:
    """Every rule that a configuration breaks."""
    return [Violation(rule.name, message) for rule in RULES for message in rule.broken(config)]


def check_files(name: str, config: ModelConfig, files: Mapping[str, object]) -> list[Violation]:
    """Every rule about names and files that a model breaks.

    Args:
        name: of the model's directory.
        config: its configuration.
        files: paths in that directory, with "/" between folders; the values are not looked at.
    """
    return [Violation("files", message) for message in _missing(name, config, files)]


def check_plan(
    description: Description,
    flavour: type[Flavour],
    configs: Mapping[str, ModelConfig],
    inputs: Iterable[str],
) -> list[Violation]:
    """Every rule that a version breaks before it is written.

    Args:
        description: of the version.
        flavour: the backend that runs it.
        configs: as `configuration.configurations` returns them.
        inputs: paths of the files of its warm-up.
    """
    own = (f"{description.version}/{file}" for file in flavour.files(description))
    files = dict.fromkeys((*configs, *own, *inputs))
    found = [
        violation
        for config in configs.values()
        for violation in (*check_config(config), *check_files(description.name, config, files))
    ]
    return list(dict.fromkeys(found))


def check_model(model: Path) -> list[Violation]:
    """Every rule that a model in a repository breaks: its configurations, and the files that they name.

    Args:
        model: its directory.
    """
    files = {str(path.relative_to(model)): None for path in sorted(model.rglob("*")) if path.is_file()}
    found: list[Violation] = []
    for path in (CONFIG_NAME, *(path for path in files if path.startswith(f"{CONFIGS}/"))):
        try:
            config = parse_config((model / path).read_text(encoding="utf-8"))
        except (OSError, ValueError, ParseError) as error:
            # Also what the text format itself does not allow, such as dynamic and sequence batching together.
            found.append(Violation("text", f"{path} is no configuration: {' '.join(str(error).split())}"))
            continue
        found += [*check_config(config), *check_files(model.name, config, files)]
    return found


def _missing(name: str, config: ModelConfig, files: Mapping[str, object]) -> Iterator[str]:
    if config.name not in ("", name):
        yield f"the configuration is of model {config.name!r}, its directory is {name!r}; both are the same"
    folders = {path.partition("/")[0] for path in files if "/" in path}
    versions = config.version_policy.specific.versions
    present = sorted(int(folder) for folder in folders if folder.isdecimal() and folder[0] != "0")
    if config.HasField("ensemble_scheduling"):
        return
    if not present:
        yield "there is no version directory"
    for version in versions:
        if version not in present:
            yield f"version {version} is served, but there is no directory {version}/"
    served = [version for version in (versions or present) if version in present]
    if (file := config.default_model_filename) and any(f"{one}/{file}" not in files for one in served):
        yield f"default_model_filename is {file!r}, which a version directory does not have"
    for request in config.model_warmup:
        for entry in request.inputs.values():
            path = f"{WARM_UP}/{entry.input_data_file}"
            if entry.input_data_file and path not in files:
                yield f"warm-up {request.name!r} reads {path}, which is missing"
