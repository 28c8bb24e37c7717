"""The model card: metadata that the hub's client reads, figures of the documents, and nothing of a hostile text."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from litho.bundle.manifest import Figure, Timing, Verdict
from litho.registry.card import make_card
from litho.registry.packing import Packed, pack
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, label_field, seed_field

from ..bundle.conftest import make, variant
from .conftest import make_run


def card_of(packed: Packed, address: str = "hf://me/tiny") -> str:
    card = make_card(packed, address)[0]
    assert isinstance(card.source, bytes)
    return card.source.decode()


def metadata_of(text: str) -> dict[str, Any]:
    """What the real client of the hub reads in a card."""
    repocard = pytest.importorskip("huggingface_hub.repocard")
    return repocard.ModelCard(text).data.to_dict()


def test_the_card_of_a_bundle_shows_what_its_manifest_says(tmp_path: Path) -> None:
    figures = (Figure(metric="PSNR min (dB)", value=67.8, at_least=60.0),)
    passed = variant().model_copy(
        update={
            "verdict": Verdict(status="passed", figures=figures),
            "timings": (Timing(batch=8, p50_ms=2.0, images_per_second=4000.0),),
        }
    )
    environment = {"litho": "0.1.0", "timed_on": "a processor", "timed_at": "2026-11-26"}
    bundle = make(
        tmp_path / "b", variants=(passed,), licence="CC-BY-4.0", environment=environment, preset="gan-tiny"
    )
    text = card_of(pack(bundle))
    assert (
        "| `generator.fp32.onnx` | generator | fp32 | onnxruntime | passed | same picture | 67.8 | 4\u202f000 |"
        in text
    )
    assert "measured on a processor, 2026-11-26" in text
    assert "litho pull hf://me/tiny\n" in text
    assert "## Licence\n\nCC-BY-4.0." in text
    assert "Not signed." in text
    assert "![3 pictures of the generator: seed 0; seed 1; seed 2](pictures/probes.png)" in text


def test_the_hubs_client_reads_the_metadata(tmp_path: Path) -> None:
    data = metadata_of(card_of(pack(make(tmp_path / "b", licence="Apache-2.0"))))
    assert data == {
        "license": "apache-2.0",
        "library_name": "litho",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["litho", "bundle", "gan", "image-generation", "onnx", "safetensors"],
    }


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        (None, {}),
        ("CC0-1.0", {"license": "cc0-1.0"}),
        ("LicenseRef-Mine", {"license": "other", "license_name": "licenseref-mine"}),
    ],
)
def test_a_licence_is_one_that_the_hub_knows(
    tmp_path: Path, licence: str | None, expected: dict[str, str]
) -> None:
    data = metadata_of(card_of(pack(make(tmp_path / "b", licence=licence))))
    assert {key: value for key, value in data.items() if key.startswith("license")} == expected


def test_the_figures_of_a_run_are_results_of_the_hub(small_run: Path) -> None:
    text = card_of(pack(small_run))
    assert "| FD | 2.50 | 1.00 | lower | 359 |" in text
    (result,) = metadata_of(text)["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "FD", "name": "FD", "value": 2.5}]
    assert "trained on 54,000 images" in text


def test_a_run_without_evaluation_shows_what_training_measured(small_run: Path) -> None:
    (small_run / "evaluation.json").unlink()
    assert "| diversity | 0.830 |" in card_of(pack(small_run))


def test_a_path_of_the_machine_is_not_shown(small_run: Path) -> None:
    text = card_of(pack(small_run))
    assert "somebody" not in text
    assert "cats: 1,200 images, licence CC-BY-4.0." in text


def test_a_signed_upload_says_how_to_check_it(signed: Path) -> None:
    text = card_of(pack(signed), "oci://ghcr.io/me/tiny:v1")
    assert "litho pull oci://ghcr.io/me/tiny:v1 --require-signature public.pem" in text
    assert "Anybody can write that: get the public key from the maker by another way" in text


def test_a_hostile_name_has_no_meaning_in_a_card(tmp_path: Path) -> None:
    """Class names and versions are any text; they come from whoever made the data."""
    hostile = "<script>alert(1)</script>|[x](javascript:y)`\n---\nlicense: mit\n# Big"
    signature = Signature(inputs=(seed_field(), label_field((hostile, "b"))), output=image_output(4, 4, 1))
    bundle = make(tmp_path / "b", signature=signature, environment={"litho": hostile}, licence=hostile)
    text = card_of(pack(bundle))
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert "license: mit" not in metadata_of(text)
    assert text.count("\n# ") == 1
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row.startswith("| `")} <= {
        4,
        9,
    }


def test_the_same_files_have_the_same_card(small: Path) -> None:
    assert make_card(pack(small), "hf://me/x") == make_card(pack(small), "hf://me/x")


def test_a_text_to_image_generator_is_one_to_the_hub(small_run: Path) -> None:
    packed = pack(small_run)
    assert packed.run is not None
    prompt = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")
    prompted = Signature(inputs=(seed_field(), prompt), output=image_output(4, 4, 1))
    described = packed.run.signature.__class__.model_validate(prompted.model_dump())
    run = packed.run.model_copy(update={"signature": described})
    assert metadata_of(card_of(replace(packed, run=run)))["pipeline_tag"] == "text-to-image"


def test_a_run_of_any_name_can_be_shown(tmp_path: Path) -> None:
    assert "# my-run" in card_of(pack(make_run(tmp_path / "my run")))
