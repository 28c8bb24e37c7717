import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from litho.bundle import Bundle, create_bundle
from litho.bundle.json_documents import MAX_DOCUMENT_BYTES, read_document
from litho.bundle.manifest import Figure, Stage, Variant, Verdict
from litho.bundle.probes import Probes
from litho.errors import BundleError, IntegrityError, SchemaError, UnknownName
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field

SIGNATURE = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))
GRAPH = "graphs/generator.fp32.onnx"


def make(path: Path, **overrides: Any) -> Path:
    with create_bundle(path) as writer:
        writer.add(GRAPH, b"a graph")
        writer.add("probes.safetensors", probes().to_bytes())
        writer.finish(
            **{
                "name": "tiny",
                "family": "gan",
                "signature": SIGNATURE,
                "stages": (Stage(name="generator", signature=SIGNATURE),),
                "variants": (variant(),),
                "checkpoint_sha256": "0" * 64,
                "environment": {},
                **overrides,
            }
        )
    return path


def probes() -> Probes:
    return Probes({"seed": np.arange(3, dtype=np.int64)}, np.zeros((3, 4, 4, 1), np.uint8))


def variant(file: str = GRAPH) -> Variant:
    return Variant(
        name="generator.fp32.onnx",
        stage="generator",
        precision="fp32",
        runtime="onnxruntime",
        file=file,
        batches=(1, 8, 64),
        verdict=Verdict(status="passed"),
    )


def edit(path: Path, **changes: Any) -> None:
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle")


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


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths of the files that Python opens during the test."""
    paths: list[str] = []
    recording = True

    def record(event: str, arguments: tuple[Any, ...]) -> None:
        if recording and event == "open":
            paths.append(str(arguments[0]))

    sys.addaudithook(record)  # a hook stays for good, so it is switched off
    yield paths
    recording = False


@pytest.mark.parametrize("size", [0, 6, 8, 1 << 40])
def test_a_file_of_another_size_is_refused_without_being_read(
    made: Path, size: int, opened: list[str]
) -> None:
    bundle = Bundle.load(made)
    assert str(made / GRAPH) in opened
    os.truncate(made / GRAPH, size)
    opened.clear()
    with pytest.raises(IntegrityError, match=rf"fp32\.onnx has {size} bytes, the manifest says 7; export"):
        bundle.read(GRAPH)
    assert str(made / GRAPH) not in opened
    with pytest.raises(IntegrityError, match=f"has {size} bytes"):
        Bundle.load(made)
    assert str(made / GRAPH) not in opened


def test_a_manifest_of_one_byte_more_than_the_limit_is_refused_without_being_read(
    made: Path, opened: list[str]
) -> None:
    manifest = made / "manifest.json"
    content = manifest.read_bytes()
    assert MAX_DOCUMENT_BYTES == 16 * 1024 * 1024
    # White space at the end of a document is valid JSON.
    manifest.write_bytes(content.ljust(MAX_DOCUMENT_BYTES))
    assert Bundle.load(made).manifest.name == "tiny"
    assert str(manifest) in opened
    manifest.write_bytes(content.ljust(MAX_DOCUMENT_BYTES + 1))
    opened.clear()
    with pytest.raises(SchemaError, match=r"has 16777217 bytes; a document of litho has at most 16777216"):
        Bundle.load(made)
    with pytest.raises(SchemaError, match="has 16777217 bytes"):
        read_document(made, "manifest.json", 1)
    assert str(manifest) not in opened


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


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not JSON"),
        ('{"schema_version": 1, "na', "not JSON .* cut short"),
        ("[]", "not a document of litho"),
        ('{"name": "foreign"}', "no integer 'schema_version'"),
        ('{"schema_version": 2}', "schema version 2, this litho reads up to 1; upgrade"),
        ('{"schema_version": 1}', "is not a manifest: name: Field required"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_in_one_line(made: Path, content: str, complaint: str) -> None:
    (made / "manifest.json").write_text(content)
    with pytest.raises(SchemaError, match=complaint) as refused:
        Bundle.load(made)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .* 'litho export'"):
        Bundle.load(tmp_path)


def test_unknown_names_are_answered_with_the_known_ones(made: Path) -> None:
    bundle = Bundle.load(made)
    with pytest.raises(UnknownName, match=r"did you mean 'generator\.fp32\.onnx'"):
        bundle.variant("generator.fp16.onnx")
    with pytest.raises(UnknownName, match="known: generator"):
        bundle.stage("decoder")


def test_a_manifest_that_contradicts_itself_is_never_written(tmp_path: Path) -> None:
    for variants in [(variant(), variant()), (variant("graphs/absent.onnx"),)]:
        with pytest.raises(ValueError, match=r"not unique|not listed"):
            make(tmp_path / "bundle", variants=variants)
    assert list(tmp_path.iterdir()) == []


def test_probes_that_are_not_probes_are_refused() -> None:
    with pytest.raises(BundleError, match="not a file of probes"):
        Probes.from_bytes(b"nonsense")


@pytest.mark.parametrize(
    ("value", "passed"), [(1.0, True), (0.5, True), (1.5, False), (None, False), (float("nan"), False)]
)
def test_a_figure_passes_only_when_computed_and_within_its_limit(value: float | None, passed: bool) -> None:
    assert Figure(metric="difference", value=value, at_most=1).passed is passed


INNER = Field(name="sample", role=Role.SAMPLE, dtype="FP32", shape=(1, 4, 4))
STAGES = tuple(
    Stage(name=name, signature=Signature(inputs=(seed_field(),), output=INNER))
    for name in ("text_encoder", "denoiser", "decoder")
)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"stages": STAGES}, "need a sampler"),
        ({"stages": STAGES[:2], "sampler": "rectified-flow"}, "are not the sampler's"),
        ({"stages": STAGES, "sampler": "rectified-flow"}, r"tokenizer\.json is not listed"),
        ({"stages": STAGES[:1]}, r"unknown stages: \['generator'\]"),
        ({"signature": STAGES[0].signature}, "output of a generator is an image"),
    ],
)
def test_stages_that_do_not_make_a_picture_together_are_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make(tmp_path / "bundle", **changes)
    assert list(tmp_path.iterdir()) == []


def test_layers_in_fp32_have_the_key_kept_in_json(tmp_path: Path) -> None:
    lowered = variant().model_copy(update={"fp32_layers": ("blocks.0.conv",)})
    make(tmp_path / "bundle", variants=(lowered,))
    (written,) = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["variants"]
    assert written["kept"] == ["blocks.0.conv"]
    assert "fp32_layers" not in written
    assert Bundle.load(tmp_path / "bundle").manifest.variants == (lowered,)


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
