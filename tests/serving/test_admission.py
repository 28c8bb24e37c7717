"""Without a digital signature only what gives the pictures of the probes here is deployed."""

from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.probes import PROBES_NAME
from litho.errors import DeployError
from litho.serving.admission import prove_here
from litho.serving.repository import deploy

from ..attack.forge import forge, other_graph
from .conftest import Make


def refusal(bundle: Bundle) -> str:
    with pytest.raises(DeployError) as refused:
        prove_here(bundle, bundle.manifest.variants, ())
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_an_export_made_is_proven(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    prove_here(loaded, loaded.manifest.variants, ())


def test_the_stages_of_a_generator_are_proven_together(flow_bundle: Path) -> None:
    loaded = Bundle.load(flow_bundle)
    prove_here(loaded, loaded.manifest.variants, ())


def test_a_graph_that_fails_is_refused_whatever_the_manifest_says(bundle: Path, tmp_path: Path) -> None:
    forged = Bundle.load(forge(bundle, tmp_path / "forged", other_graph(bundle)))
    assert forged.manifest.variants[0].verdict.status == "passed"
    message = refusal(forged)
    assert "although the manifest says that it passed" in message
    assert "--accept-failed generator.fp32.onnx" in message
    prove_here(forged, forged.manifest.variants, ["generator.fp32.onnx"])


def test_the_limits_come_from_the_code_and_not_from_the_manifest(bundle: Path, tmp_path: Path) -> None:
    loaded = Bundle.load(bundle)
    wide = tuple(
        variant.model_copy(
            update={
                "verdict": variant.verdict.model_copy(
                    update={
                        "figures": tuple(
                            figure.model_copy(update={"at_least": None, "at_most": None})
                            for figure in variant.verdict.figures
                        )
                    }
                )
            }
        )
        for variant in loaded.manifest.variants
    )
    forged = Bundle.load(forge(bundle, tmp_path / "forged", other_graph(bundle), variants=wide))
    assert "fails here" in refusal(forged)


def test_a_bundle_without_probes_is_refused(bundle: Path, tmp_path: Path) -> None:
    deployed = Bundle.load(deploy(bundle, to=tmp_path).path / "1" / "bundle")
    assert PROBES_NAME not in deployed.manifest.files
    assert "has no probes to prove it with" in refusal(deployed)


def test_what_cannot_run_here_cannot_be_proven_here(variant_of: Make) -> None:
    engine = variant_of("engine", variant={"runtime": "tensorrt", "target": "sm86"})
    assert "cannot be proven on this machine" in refusal(engine) or "fails here" in refusal(engine)


def test_what_is_served_already_is_not_proven_again(bundle: Path, tmp_path: Path) -> None:
    first = deploy(bundle, to=tmp_path)
    without_probes = first.path / "1" / "bundle"  # which could not be proven
    assert deploy(without_probes, to=tmp_path) == first
