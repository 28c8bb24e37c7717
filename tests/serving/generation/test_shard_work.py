"""Shards of several workers, and those in object storage, are those of one process; a failed run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from litho.errors import BundleError, StorageError
from litho.object_store import ObjectStore
from litho.runners import open_runner
from litho.runners._pools import open_pool
from litho.serving.generation.destinations import TAGS_NAME, destination_of
from litho.serving.generation.shard_plan import Request, plan
from litho.serving.generation.shard_work import Source
from litho.serving.generation.shards import generate_shards

if TYPE_CHECKING:
    from ..conftest import S3

ASKED: dict[str, Any] = {"fields": {"seed": "5", "label": "0-9"}, "count": 250, "per_shard": 60}


@pytest.fixture(scope="module")
def alone(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that one process makes."""
    out = tmp_path_factory.mktemp("alone") / "out"
    generate_shards(bundle, out=out, **ASKED)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def objects(url: str) -> dict[str, bytes]:
    """What is there but the tags of the shards, which a later command compares."""
    store = ObjectStore(url)
    return {key: store.read(key) or b"" for key in store.listed() if key != TAGS_NAME}


def test_several_processes_make_the_files_of_one(
    bundle: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    with open_pool(workers=2) as pool:
        generate_shards(bundle, out=tmp_path / "out", pool=pool, **ASKED)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == alone
    assert pool.report.pieces == 5


def test_object_storage_gets_the_same_files_and_only_missing_ones_are_made_again(
    bundle: Path, alone: dict[str, bytes], s3: S3
) -> None:
    url = s3.bucket()
    generate_shards(bundle, out=url, **ASKED)
    assert objects(url) == alone
    ObjectStore(url).delete("00001.tar")
    ObjectStore(url).write("00003.tar", b"cut")
    with open_pool() as pool:
        generate_shards(bundle, out=url, pool=pool, **ASKED)
    assert pool.report.pieces == 2
    assert objects(url) == alone


def test_a_full_bucket_ends_the_run_in_one_line_and_the_same_command_goes_on(
    bundle: Path, alone: dict[str, bytes], full_after: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litho.runners._pools.outcomes._PAUSES", (0, 0))
    url = full_after(2)
    with pytest.raises(StorageError) as refused:
        generate_shards(bundle, out=url, **ASKED)
    assert str(refused.value) == (
        f"cannot write {url}/00002.tar: [Errno 122] the quota is used up; 2 of 5 shards are complete, and the same"
        " command goes on with the others"
    )
    full_after(100)
    with open_pool() as pool:
        generate_shards(bundle, out=url, pool=pool, **ASKED)
    assert pool.report.pieces == 3
    assert objects(url) == alone


@pytest.fixture
def full_after() -> Callable[[int], str]:
    """URL of object storage in memory that takes so many shards until its quota is used up."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Full(MemoryFileSystem):
        protocol = "full"
        left = 0
        store: dict[str, Any] = {}  # noqa: RUF012 - as its base class has it
        pseudo_dirs = [""]  # noqa: RUF012 - as its base class has it

        def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
            if Full.left == 0:
                raise OSError(122, "the quota is used up")
            Full.left -= 1
            super().put_file(lpath, rpath, **options)

    fsspec.register_implementation("full", Full, clobber=True)

    def room(shards: int) -> str:
        Full.left = shards
        return "full://bucket/shards"

    return room


def test_a_node_without_the_target_or_with_another_one_is_refused(bundle: Path, tmp_path: Path) -> None:
    source = Source(str(tmp_path / "copy"), None, "cpu")
    with pytest.raises(BundleError, match="there is no bundle or run at"):
        source.files()
    shutil.copytree(bundle, tmp_path / "copy")
    request = Request(**ASKED, format="webdataset")
    with ExitStack() as opened:
        work, _ = plan(source, request, destination_of(tmp_path / "out"), opened, inline=False)
    work.check()
    manifest = tmp_path / "copy" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("\n", " \n", 1))
    with pytest.raises(BundleError, match="is another bundle there; copy the same one to all nodes"):
        work.check()


def test_what_a_pool_makes_is_planned_without_opening_a_runner_and_named_alike(
    bundle: Path, flow_bundle: Path
) -> None:
    from litho.bundle import Bundle
    from litho.runners._opening import chosen_variants

    for path in (bundle, flow_bundle):
        found = Bundle.load(path)
        with open_runner(path) as runner:
            assert runner.variant == ",".join(one.name for one in chosen_variants(found, None, "cpu"))
            assert runner.signature == found.manifest.signature
