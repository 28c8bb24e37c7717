"""A model repository on object storage, such as s3://bucket/prefix: the same verbs, safe against torn writes.

Triton and litho work on folders. So a writer gets a folder with what it needs of the repository, and its changes are
uploaded when it is done; a server gets a folder with the served versions. Layout of the objects: that of a repository
on disk (see `repository`), and beside the files of a version `<name>/<version>/.litho-files.json`, the list of them
with their SHA-256.

Uploading keeps to one order: the files of new versions, their list, then `<name>/config.pbtxt`, then deletions. The
configuration is the one point of commitment: it is written under the condition that it is still the one that the
writer started from. Whoever reads believes only a configuration whose version has a list, and only files that agree
with it. So a torn upload is never served, and the second of two writers is refused.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...bundle.json_documents import Document, parse_as
from ...bundle.manifest import FileRecord
from ...errors import IntegrityError, LithoError, StorageError
from ...files import confined, write_bytes, write_directory
from ...object_lock import Lock, locked
from ...object_store import Changed, ObjectStore
from ..configuration.model_config import CONFIG_NAME, CONFIGS, ParseError, parse_config
from ..configuration.warm_up import WARM_UP
from .placing import expose, forget

__all__ = ["INDEX_NAME", "Replica", "cache_folder", "is_remote", "writing"]

INDEX_NAME = ".litho-files.json"
_ATTEMPTS = 3
_SCHEMA = 1


class VersionFiles(Document):
    """The list of a version's files.

    Args:
        schema_version: of this document.
        files: path inside the version -> its size and hash.
    """

    schema_version: int = _SCHEMA
    files: dict[str, FileRecord]


def cache_folder(repository: str) -> Path:
    """Where the replica of a repository lies by default: a folder of its own in the user's cache."""
    import platformdirs

    name = hashlib.sha256(repository.rstrip("/").encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("litho") / "repositories" / name


def is_remote(repository: Path | str) -> bool:
    """Whether a repository is given by a URL and not by a path."""
    return "://" in str(repository)


@dataclass
class _Before:
    """What the store held when a writer began: the configuration with its tag, and the complete versions.

    A damaged version has the reason why it cannot be served.
    """

    config: bytes | None
    tag: str | None
    versions: frozenset[str] = frozenset()
    damaged: dict[str, str] = field(default_factory=dict)


@contextmanager
def writing(repository: Path | str, name: str, *, whole: bool = False) -> Iterator[Path]:
    """A folder to deploy to, roll back in or undeploy from; for a URL, the changes are uploaded at the end.

    A path is given to the block as it is. For a URL the block gets a temporary folder with the model: all of its
    versions, but the files of the served one only unless `whole` is set. If the block raises, nothing is uploaded.

    Args:
        repository: path or URL.
        name: of the model that the block may change.
        whole: whether the block reads the files of other versions too.

    Raises:
        StorageError: the store cannot be reached, or another process changes the model at the same time; what was
            served before is still served.
        IntegrityError: a file differs from its hash.
    """
    if not is_remote(repository):
        yield Path(repository)
        return
    store = ObjectStore(str(repository))
    with tempfile.TemporaryDirectory(prefix="litho-repository-") as scratch:
        root = Path(scratch)
        before = _fetch_model(store, root, name, whole=whole)
        try:
            yield root
        except LithoError as error:
            # Nobody knows the temporary folder.
            error.args = (str(error).replace(scratch, store.url),)
            raise
        _upload_changes(store, root / name, before)


class Replica:
    """The served versions of a repository on object storage, as a folder on this machine.

        >>> replica = Replica("s3://models/production", to="/var/cache/litho")
        >>> replica.refresh()
        ('digits',)
        >>> with EmbeddedServer(replica.path) as server: ...

    Files that are already there and agree with their hashes are not fetched again.

    Args:
        repository: URL.
        to: folder of the replica; created if needed.

    Attributes:
        path: the folder, a model repository.
    """

    def __init__(self, repository: str, to: Path | str) -> None:
        self._store = ObjectStore(repository)
        self.path = Path(to)

    def __repr__(self) -> str:
        return f"<Replica of {self._store.url} in {self.path}>"

    def refresh(self, apply: Callable[[str], object] = lambda name: None) -> tuple[str, ...]:
        """Fetch what has changed: the files of a version, then its configuration.

        Args:
            apply: called with the name of each model that has changed, when its files are there, or its configuration
                is gone; a running server can load it there. If it raises, the model's configuration is as before.

        Returns:
            Names of the models whose served version or configuration is another one now; also those that are gone.

        Raises:
            StorageError: the store cannot be reached or has no model; what is in the folder stays.
            IntegrityError: a served version is incomplete, or a file differs from its hash; its model stays as it is.
        """
        names = _models(self._store)
        if not names:
            raise StorageError(
                f"{self._store.url} is not a model repository: it has no <model>/{CONFIG_NAME}; create one with"
                f" litho deploy BUNDLE --to {self._store.url}"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        changed = [name for name in names if self._refresh_model(name, apply)]
        for path in sorted(self.path.glob(f"*/{CONFIG_NAME}")):
            if path.parent.name not in names:
                self._configure(path.parent.name, None, apply)
                shutil.rmtree(path.parent)
                changed.append(path.parent.name)
        return tuple(changed)

    def _configure(self, name: str, config: bytes | None, apply: Callable[[str], object]) -> None:
        target = self.path / name / CONFIG_NAME
        before = target.read_bytes() if target.is_file() else None
        target.unlink(missing_ok=True) if config is None else write_bytes(target, config)
        try:
            apply(name)
        except BaseException:
            target.unlink(missing_ok=True) if before is None else write_bytes(target, before)
            raise

    def _refresh_model(self, name: str, apply: Callable[[str], object]) -> bool:
        for attempt in range(_ATTEMPTS):
            config = self._store.read(f"{name}/{CONFIG_NAME}")
            if config is None:
                return False  # undeployed since the models were listed
            try:
                version = _served_version(self._store, name, config)
                _fetch_version(self._store, self.path, name, version)
            except IntegrityError:
                # A version may have been deleted while it was fetched: then another one is served by now.
                if attempt == _ATTEMPTS - 1 or self._store.read(f"{name}/{CONFIG_NAME}") == config:
                    raise
                continue
            target = self.path / name / CONFIG_NAME
            if target.is_file() and target.read_bytes() == config:
                return False
            expose(self.path / name, int(version))
            self._configure(name, config, apply)
            return True
        raise AssertionError("the last attempt returns or raises")

    def prune(self) -> None:
        """Remove the versions that are no longer served; call it when the server has dropped them."""
        for path in self.path.glob(f"*/{CONFIG_NAME}"):
            version = _served_version(self._store, path.parent.name, path.read_bytes())
            for other in path.parent.iterdir():
                if other.is_dir() and other.name.isdecimal() and other.name != version:
                    shutil.rmtree(other)
                    forget(path.parent, int(other.name))


def _models(store: ObjectStore) -> list[str]:
    parts = [key.split("/") for key in store.listed()]
    return [name for name, *rest in parts if rest == [CONFIG_NAME]]


def _served_version(store: ObjectStore, name: str, config: bytes) -> str:
    where = f"{store.url}/{name}/{CONFIG_NAME}"
    try:
        (version,) = parse_config(config.decode()).version_policy.specific.versions
    except (ParseError, ValueError):
        raise IntegrityError(
            f"{where} does not name one version; litho did not write it: deploy the model again"
        ) from None
    return str(version)


def _read_index(store: ObjectStore, name: str, version: str) -> VersionFiles:
    key = f"{name}/{version}/{INDEX_NAME}"
    content = store.read(key)
    if content is None:
        raise IntegrityError(
            f"{store.url}/{name}/{version} has no {INDEX_NAME}: its upload was torn, or litho did not make it; deploy"
            " the bundle again"
        )
    return parse_as(VersionFiles, "a list of a version's files", Path(key), content, _SCHEMA)


def _fetch_version(store: ObjectStore, root: Path, name: str, version: str) -> None:
    """Make `root/name/version` what the store has, and check every file against the list."""
    directory, index = root / name / version, _read_index(store, name, version)
    if _agrees(directory, index):
        return
    with write_directory(directory) as temporary:
        for relative, record in index.files.items():
            target = confined(temporary, relative)
            content = store.read(f"{name}/{version}/{relative}")
            where = f"{store.url}/{name}/{version}/{relative}"
            if content is None:
                raise IntegrityError(f"{where} is missing; deploy the bundle again")
            if FileRecord.of(content) != record:
                raise IntegrityError(f"{where} differs from its SHA-256; deploy the bundle again")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _agrees(directory: Path, index: VersionFiles) -> bool:
    return directory.is_dir() and _records(directory) == index.files


def _records(directory: Path) -> dict[str, FileRecord]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): FileRecord.of_file(path) for path in files}


def _fetch_model(store: ObjectStore, root: Path, name: str, *, whole: bool) -> _Before:
    found = store.read_tagged(f"{name}/{CONFIG_NAME}")
    keys = store.listed(f"{name}/")
    complete = frozenset(
        version
        for _, version, *rest in (key.split("/") for key in keys if key.count("/") > 1)
        if rest == [INDEX_NAME]
    )
    if found is None:
        return _Before(None, None)  # what lies there is the rest of a torn upload
    before = _Before(*found, complete)
    served = _served_version(store, name, found[0])
    for version in sorted(complete):
        if whole or version == served:
            try:
                _fetch_version(store, root, name, version)
                continue
            except IntegrityError as error:
                # A good version may be deployed after it.
                before.damaged[version] = str(error)
        # Its number counts, and rolling back reads its configuration.
        config = store.read(f"{name}/{version}/{CONFIG_NAME}")
        write_bytes(root / name / version / CONFIG_NAME, config or b"")
    if (root / name / served).is_dir():
        expose(root / name, int(served))
    write_bytes(root / name / CONFIG_NAME, found[0])
    return before


def _upload_changes(store: ObjectStore, model: Path, before: _Before) -> None:
    """Bring the store to what the block left in `model`, in the order that keeps every reader safe."""
    target = model / CONFIG_NAME
    config = target.read_bytes() if target.is_file() else None
    present = (
        {path.name for path in model.iterdir() if path.is_dir() and path.name.isdecimal()}
        if model.is_dir()
        else set()
    )
    new, gone = sorted(present - before.versions), sorted(before.versions - present)
    if config == before.config and not new and not gone:
        return
    name = model.name
    if config is not None and config != before.config:
        version = _served_version(store, name, config)
        if version in before.damaged:
            raise IntegrityError(f"version {version} cannot be served: {before.damaged[version]}")
    with locked(store, f".{name}.lock") as lock:
        try:
            for version in new:
                _upload_version(store, model / version, lock)
            lock.keep()
            _upload_forms(store, model)
            _commit(store, name, config, before)
        except BaseException:
            with suppress(StorageError):  # the error that ended the upload is the one to report
                if not _is_committed(store, name, config):
                    _discard(store, name, new)
            raise
        try:
            _discard(store, name, gone)
        except StorageError as error:
            raise StorageError(f"{error}; the change itself is done, and only old files are left") from error


def _upload_version(store: ObjectStore, directory: Path, lock: Lock) -> None:
    prefix = f"{directory.parent.name}/{directory.name}"
    store.delete(*_index_first(store.listed(f"{prefix}/")))  # the rest of a torn upload
    index = VersionFiles(files=_records(directory))
    for relative in index.files:
        lock.keep()
        store.write(f"{prefix}/{relative}", (directory / relative).read_bytes())
    inputs = f"{WARM_UP}/{directory.name}"
    for file in sorted((directory.parent / inputs).glob("*")):
        store.write(f"{directory.parent.name}/{inputs}/{file.name}", file.read_bytes())
    store.write(f"{prefix}/{INDEX_NAME}", f"{index.model_dump_json(indent=2)}\n".encode())


def _upload_forms(store: ObjectStore, model: Path) -> None:
    """The configurations for other devices, which a Triton on the store itself chooses by name."""
    forms = {f"{model.name}/{CONFIGS}/{file.name}": file for file in (model / CONFIGS).glob("*.pbtxt")}
    for key, file in forms.items():
        store.write(key, file.read_bytes())
    store.delete(*(key for key in store.listed(f"{model.name}/{CONFIGS}/") if key not in forms))


def _commit(store: ObjectStore, name: str, config: bytes | None, before: _Before) -> None:
    key = f"{name}/{CONFIG_NAME}"
    try:
        if config is None:
            found = store.read_tagged(key)
            if found is None or found[1] != before.tag:
                raise Changed(key)
            store.delete(key)
        elif config != before.config:
            store.replace(key, config, before.tag)
    except Changed:
        if config is not None and _is_committed(store, name, config):
            return  # the answer to the first attempt was lost, and the library tried again
        raise StorageError(
            f"another process has changed {store.url}/{name} meanwhile; what it deployed is served: look at it, then"
            " try again"
        ) from None


def _is_committed(store: ObjectStore, name: str, config: bytes | None) -> bool:
    return store.read(f"{name}/{CONFIG_NAME}") == config


def _discard(store: ObjectStore, name: str, versions: Sequence[str]) -> None:
    for version in versions:
        store.delete(*_index_first(store.listed(f"{name}/{version}/")))
        store.delete(*store.listed(f"{name}/{WARM_UP}/{version}/"))


def _index_first(keys: Sequence[str]) -> list[str]:
    """Without its list a version is incomplete, whatever is left of it."""
    return sorted(keys, key=lambda key: not key.endswith(f"/{INDEX_NAME}"))
