"""Without a digital signature only what gives the pictures of the probes here is deployed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.probes import PROBES_NAME
from litho.errors import DeployError
from litho.serving.repository.admission import prove_here, prove_there
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer

from ...attack.forge import forge, other_graph
from ..conftest import Make


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


def without_probes(bundle: Path, to: Path) -> Bundle:
    """The bundle as an older litho deployed it."""
    part = Bundle.load(shutil.copytree(deploy(bundle, to=to / "models").path / "1" / "bundle", to / "part"))
    files = {name: record for name, record in part.manifest.files.items() if name != PROBES_NAME}
    text = part.manifest.model_copy(update={"files": files}).model_dump_json()
    (part.path / "manifest.json").write_text(text)
    return Bundle.load(part.path)


def test_a_bundle_without_probes_is_refused(bundle: Path, tmp_path: Path) -> None:
    assert "has no probes to prove it with" in refusal(without_probes(bundle, tmp_path))


def test_what_cannot_run_here_cannot_be_proven_here(variant_of: Make) -> None:
    engine = variant_of("engine", variant={"runtime": "tensorrt", "target": "sm86"})
    assert "cannot be proven on this machine" in refusal(engine) or "fails here" in refusal(engine)


def test_what_a_server_proves_next_need_not_run_here(variant_of: Make) -> None:
    engine = variant_of("engine", variant={"runtime": "tensorrt", "target": "sm86"})
    if "cannot be proven on this machine" in refusal(engine):
        prove_here(engine, engine.manifest.variants, (), elsewhere=True)


@pytest.mark.slow
def test_a_server_is_believed_when_it_gives_the_pictures_of_the_probes(
    bundle: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    endpoint = f"{server.grpc_url}/tiny"
    prove_there(Bundle.load(bundle), (7,), endpoint)
    prove_there(None, (), endpoint)
    prove_there(without_probes(bundle, tmp_path), (), endpoint)
    with pytest.raises(DeployError, match="its pictures are not those of its probes") as refused:
        prove_there(Bundle.load(forge(bundle, tmp_path / "forged", other_pictures(bundle))), (), endpoint)
    assert "\n" not in str(refused.value)


def other_pictures(bundle: Path) -> dict[str, bytes]:
    """Probes whose pictures are negatives."""
    probes = Bundle.load(bundle).probes()
    return {PROBES_NAME: replace(probes, images=255 - probes.images).to_bytes()}


def test_what_is_served_already_is_not_proven_again(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = deploy(bundle, to=tmp_path)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("it was proven again")

    monkeypatch.setattr("litho.serving.repository.deploy.prove_here", refuse)
    assert deploy(bundle, to=tmp_path) == first
