import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle, create_bundle
from litho.bundle.manifest import Stage
from litho.errors import BundleError, IntegrityError, UnknownName

from .conftest import GRAPH, SIGNATURE, edit, variant


def test_a_bundle_reads_back_as_it_was_written(made: Path) -> None:
    bundle = Bundle.load(made)
    assert bundle.read(GRAPH) == b"a graph"
    assert bundle.variant("generator.fp32.onnx").file == GRAPH
    assert bundle.stage("generator").signature == SIGNATURE
    np.testing.assert_array_equal(bundle.probes().inputs["seed"], [0, 1, 2])
    assert bundle.probes().images.shape == (3, 4, 4, 1)


@pytest.mark.parametrize("position", [0, 3, 6])
def test_one_changed_byte_is_found_and_the_file_named(made: Path, position: int) -> None:
    content = bytearray((made / GRAPH).read_bytes())
    content[position] ^= 1
    (made / GRAPH).write_bytes(content)
    with pytest.raises(IntegrityError, match=r"generator\.fp32\.onnx has changed"):
        Bundle.load(made)


def test_a_cut_a_missing_and_an_unlisted_file_are_refused(made: Path) -> None:
    (made / "note.txt").write_text("not ours")
    with pytest.raises(IntegrityError, match="not listed"):
        Bundle.load(made).read("note.txt")
    (made / GRAPH).write_bytes(b"a gra")
    with pytest.raises(IntegrityError, match="has 5 bytes, the manifest says 7"):
        Bundle.load(made)
    (made / GRAPH).unlink()
    with pytest.raises(IntegrityError, match="missing"):
        Bundle.load(made)


@pytest.mark.parametrize("size", [0, 6, 8, 1 << 40])
def test_a_file_of_another_size_is_refused_without_being_read(
    made: Path, size: int, opened: list[str]
) -> None:
    bundle = Bundle.load(made)
    assert str(made / GRAPH) in opened
    os.truncate(made / GRAPH, size)
    opened.clear()
    with pytest.raises(
        IntegrityError, match=rf"fp32\.onnx has {size} bytes, the manifest says 7; copy, pull"
    ):
        bundle.read(GRAPH)
    assert str(made / GRAPH) not in opened
    with pytest.raises(IntegrityError, match=f"has {size} bytes"):
        Bundle.load(made)
    assert str(made / GRAPH) not in opened


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_refused(made: Path, tmp_path: Path, link: Any) -> None:
    shutil.copy(made / GRAPH, tmp_path / "outside")
    (made / GRAPH).unlink()
    link(tmp_path / "outside", made / GRAPH)
    with pytest.raises(IntegrityError, match="link"):
        Bundle.load(made)


@pytest.mark.parametrize("relative", ["../outside", "/etc/passwd", "graphs/../../outside"])
def test_paths_out_of_the_bundle_are_refused(made: Path, relative: str) -> None:
    (made.parent / "outside").write_bytes(b"a graph")
    files = json.loads((made / "manifest.json").read_text())["files"]
    edit(made, files={**files, relative: files[GRAPH]})
    with pytest.raises(IntegrityError, match="leaves"):
        Bundle.load(made)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .* 'litho export'"):
        Bundle.load(tmp_path)


def test_unknown_names_are_answered_with_the_known_ones(made: Path) -> None:
    bundle = Bundle.load(made)
    with pytest.raises(UnknownName, match=r"did you mean 'generator\.fp32\.onnx'"):
        bundle.variant("generator.fp16.onnx")
    with pytest.raises(UnknownName, match="known: generator"):
        bundle.stage("decoder")


def test_a_bundle_and_its_variants_say_what_they_are(made: Path) -> None:
    shown = "<Variant generator.fp32.onnx: fp32 in onnxruntime, passed>"
    assert repr(variant()) == shown
    engine = variant().model_copy(update={"runtime": "tensorrt", "target": "sm86"})
    assert repr(engine) == "<Variant generator.fp32.onnx: fp32 in tensorrt for sm86, passed>"
    assert repr(Bundle.load(made)) == f"<Bundle 'tiny' of gan: {shown}; recommended: none>"


def test_a_bundle_can_be_read_before_it_is_finished(tmp_path: Path) -> None:
    with create_bundle(tmp_path / "bundle") as writer:
        writer.add(GRAPH, b"a graph")
        fields = {"name": "tiny", "family": "gan", "signature": SIGNATURE, "variants": (variant(),)}
        stages = (Stage(name="generator", signature=SIGNATURE),)
        draft = writer.draft(**fields, stages=stages, checkpoint_sha256="0" * 64, environment={})
        assert draft.read(GRAPH) == b"a graph"
        with pytest.raises(IntegrityError, match="not listed"):
            draft.read("report.html")
        assert not (tmp_path / "bundle").exists()
        writer.finish(**fields, stages=stages, checkpoint_sha256="0" * 64, environment={})
    assert Bundle.load(tmp_path / "bundle").manifest == draft.manifest
