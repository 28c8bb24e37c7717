"""The key of a bundle: equal for the same export, and another one for each fact that changes the bundle."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from litho.bundle import Bundle
from litho.bundle.manifest import TOKENIZER_NAME, FileRecord, Manifest, Timing
from litho.errors import UsageError
from litho.export.build import export
from litho.export.request import BundleKey, Request, check_destination, check_generator
from litho.export.source import Source, open_source
from litho.training.models.base import family
from litho.training.run.snapshot import save_snapshot

REQUEST = Request("tiny", ("onnxruntime",), (), ("fp32",), timed=False)


@pytest.fixture(scope="module")
def source(run: Path) -> Source:
    return open_source(run)


@pytest.fixture(scope="module")
def manifest(bundle: Path) -> Manifest:
    return Bundle.load(bundle).manifest


def key(source: Source, **changes: Any) -> BundleKey:
    request = replace(REQUEST, **changes)
    return request.key(source, request.environment(tokenizer=False, calibration_sha256=None))


def test_the_key_of_a_request_is_that_of_the_bundle_it_made(source: Source, manifest: Manifest) -> None:
    assert key(source) == BundleKey.of(manifest)
    assert key(source).satisfied_by(manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"runtimes": ("onnxruntime", "openvino")},
        {"precisions": ("fp32", "fp16")},
        {"precisions": ("fp16",)},
        {"without": ("folding",)},
        {"aim": "latency"},
        {"timed": True},
        {"calibration": "digits"},
        {"fixed": (("label", 3),)},
        {"size": "free"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_request_is_another_bundle(
    source: Source, manifest: Manifest, changes: dict[str, Any]
) -> None:
    assert not key(source, **changes).satisfied_by(manifest)


@pytest.mark.parametrize(
    "change",
    [
        lambda source: replace(source, weights_sha256="0" * 64),
        lambda source: replace(source, family="gan"),
        lambda source: replace(source, preset="other"),
        lambda source: replace(source, licence="MIT"),
        lambda source: replace(source, pipeline=replace(source.pipeline, tokenizer="{}")),
        lambda source: replace(source, pipeline=source.pipeline.fix({"label": 3})),
    ],
    ids=["weights", "family", "preset", "licence", "tokenizer", "signature"],
)
def test_another_source_is_another_bundle(
    source: Source, manifest: Manifest, change: Callable[[Source], Source]
) -> None:
    assert not key(change(source)).satisfied_by(manifest)


def test_other_versions_and_other_pictures_to_calibrate_with_are_another_bundle(
    source: Source, manifest: Manifest
) -> None:
    environment = REQUEST.environment(tokenizer=False, calibration_sha256=None)
    for other in (
        {**environment, "torch": "1.0"},
        REQUEST.environment(tokenizer=True, calibration_sha256=None),
        REQUEST.environment(tokenizer=False, calibration_sha256="0" * 64),
    ):
        assert not REQUEST.key(source, other).satisfied_by(manifest)


def test_a_timed_bundle_serves_who_asks_for_no_timings(source: Source, manifest: Manifest) -> None:
    timing = Timing(batch=1, p50_ms=2.0, images_per_second=500.0)
    timed = manifest.variants[0].model_copy(update={"timings": (timing,)})
    measured = manifest.model_copy(update={"variants": (timed,)})
    assert key(source, timed=True).satisfied_by(measured)
    assert key(source, timed=False).satisfied_by(measured)


def test_the_key_of_a_manifest_holds_its_tokenizer(manifest: Manifest) -> None:
    record = FileRecord.of(b"{}")
    assert BundleKey.of(manifest).tokenizer is None
    files = {**manifest.files, TOKENIZER_NAME: record}
    assert BundleKey.of(manifest.model_copy(update={"files": files})).tokenizer == record


@pytest.mark.parametrize(
    ("to", "complaint"),
    [
        ("bundles/.hidden", "the bundle's name '.hidden' is not allowed; use letters, digits"),
        ("bundles/..", "the bundle's name '..' is not allowed"),
        (".", "the bundle's name '' is not allowed"),
        ("/", "the bundle's name '' is not allowed"),
        ("bundles/été", "the bundle's name 'été' is not allowed"),
        ("bundles/a b", "the bundle's name 'a b' is not allowed"),
        ("x" * 129, "has 129 characters; allowed are 128"),
        ("file", "--to was given 'file', but file is not a folder; give another"),
        ("file/x/y", "/file is not a folder; give another"),
        ("link", "--to was given 'link', but link is not a folder"),
        ("full", "full is not empty and is not a bundle; give another --to"),
    ],
)
def test_a_place_where_no_bundle_can_lie_is_refused_before_the_work(
    to: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("absent")
    Path("full/x").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))

    def build() -> Any:
        raise AssertionError("the work began")

    with pytest.raises(UsageError) as refused:
        export(build, to=to, signature={"inputs": []})
    assert complaint in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bundle_is_written_to_an_empty_folder_or_a_new_one_or_over_another(
    bundle: Path, tmp_path: Path
) -> None:
    for to in (bundle, tmp_path, tmp_path / "new", tmp_path / "new" / "deeper"):
        check_destination(to)


def test_the_bundle_of_another_generator_is_not_replaced_unasked(
    mine: Path, run: Path, flow_run: Path
) -> None:
    other = shutil.copytree(run, mine.parent / "other")
    save_snapshot(other, family("cgan").generator(classes=10, width=8).eval(), family="cgan", preset=None)
    before = {path: path.read_bytes() for path in mine.parent.rglob("*") if path.is_file()}
    with pytest.raises(
        UsageError, match=r"tiny' holds other weights of cgan; give --replace, or another --to"
    ):
        export(other, to=mine, timed=False)
    with pytest.raises(UsageError, match=r"tiny' holds a generator of cgan, not of flow; give --replace"):
        export(flow_run, to=mine, timed=False)
    assert {path: path.read_bytes() for path in mine.parent.rglob("*") if path.is_file()} == before
    assert export(run, to=mine, timed=False).path == mine
    # A bundle that cannot be read is mended by a new export.
    (mine / "manifest.json").write_text("{}")
    check_generator(mine, open_source(other))


@pytest.mark.slow
def test_the_bundle_of_another_generator_is_replaced_on_request(mine: Path, run: Path) -> None:
    other = shutil.copytree(run, mine.parent / "other")
    save_snapshot(other, family("cgan").generator(classes=10, width=8).eval(), family="cgan", preset=None)
    before = Bundle.load(mine).manifest.checkpoint_sha256
    assert export(other, to=mine, timed=False, replace=True).manifest.checkpoint_sha256 != before
