"""The served versions of a repository, copied and checked: what an init container does before a server starts.

What is served is the copy that was checked, so nobody can change it between the check and the load.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...bundle.keys import PublicKey
from ...errors import DeployError, IntegrityError, LithoError, UsageError
from ...files import remove_directory, write_directory
from ..configuration.model_config import CONFIGS
from ..configuration.warm_up import WARM_UP
from .pins import ModelPin, check_pins, pin_of
from .storage import Replica, is_remote
from .trust import check_repository
from .versions import CONFIG_NAME, check_version, existing, model_names

__all__ = ["fetch"]

_STAGE = ".fetched"


def fetch(
    source: str, to: Path, *, key: PublicKey | None = None, pins: Sequence[ModelPin] | None = None
) -> tuple[ModelPin, ...]:
    """Copy what a repository serves into a folder, after everything in the copy was checked.

    Every file is compared with its hash, and with a key every bundle's digital signature is checked. Models that the
    folder holds from an earlier call are replaced or removed. If a check fails, the folder stays as it was.

    Args:
        source: folder of a repository, or s3://BUCKET/PREFIX.
        to: folder of the copy; created if needed.
        key: that every bundle must be signed with; None asks for none.
        pins: the versions that must be served; None takes any.

    Returns:
        What was fetched.

    Raises:
        UsageError: the source is no repository, or the folder is or holds something else.
        StorageError: the store cannot be reached.
        IntegrityError, DeployError: a file is missing, damaged or no ordinary file.
        TrustError: a signature is missing or wrong, or another version is served than the pinned one.
    """
    _check_target(source, to)
    with write_directory(to / _STAGE) as stage:
        _copy(source, stage)
        names = model_names(stage)
        try:
            _check(stage, names, key, pins)
        except LithoError as error:
            error.args = (str(error).replace(str(stage), source),)  # nobody knows the temporary folder
            raise
        fetched = tuple(pin_of(stage, name) for name in names)
    for name in set(model_names(to)) - set(names):
        remove_directory(to / name)
    for name in names:
        remove_directory(to / name)
        (to / _STAGE / name).rename(to / name)
    shutil.rmtree(to / _STAGE)
    return fetched


def _check_target(source: str, to: Path) -> None:
    if not is_remote(source):
        if not Path(source).is_dir():
            raise UsageError(
                f"{source} is not a folder; give that of a model repository, or s3://BUCKET/PREFIX"
            )
        if to.resolve().is_relative_to(Path(source).resolve()):
            raise UsageError(f"--to was given {str(to)!r}, which lies in the repository; give another folder")
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to was given {str(to)!r}, which is not a folder")
    known = {*(model_names(to) if to.is_dir() else ()), _STAGE, "lost+found"}
    others = [path.name for path in to.glob("*")] if to.is_dir() else []
    if strange := sorted(name for name in others if name not in known and not name.startswith(f".{_STAGE}")):
        raise UsageError(
            f"--to was given {str(to)!r}, which holds {strange[0]!r} and is no copy of a repository; give another"
            " folder"
        )


def _copy(source: str, stage: Path) -> None:
    if is_remote(source):
        Replica(source, stage).refresh()
        return
    names = model_names(Path(source))
    if not names:
        raise DeployError(f"{source} is not a model repository: none of its folders holds a {CONFIG_NAME}")
    for name in names:
        deployment = existing(Path(source), name)
        model, version = deployment.path, str(deployment.version)
        (stage / name).mkdir()
        shutil.copyfile(model / CONFIG_NAME, stage / name / CONFIG_NAME)
        for part in (version, f"{WARM_UP}/{version}", CONFIGS):
            if (model / part).is_dir():
                # Links stay links, which are refused below: they would lead out of the copy.
                shutil.copytree(model / part, stage / name / part, symlinks=True)


def _check(stage: Path, names: Sequence[str], key: PublicKey | None, pins: Sequence[ModelPin] | None) -> None:
    for path in stage.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise IntegrityError(f"{path} is not an ordinary file; deploy the bundle again")
    for name in names:
        deployment = existing(stage, name)
        check_version(deployment.path, deployment.version)
    if key is not None:
        check_repository(stage, key)
    if pins is not None:
        check_pins(stage, pins)
