"""Probes that lack something; tests/attack/test_trust.py has forged bundles through the command line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle, create_bundle
from litho.bundle.manifest import Stage, Variant, Verdict
from litho.bundle.probes import PROBES_NAME, Probes
from litho.errors import ProofError
from litho.parity.coverage import RECIPE_KEY, covered_probes, older_recipe
from litho.parity.probe_inputs import RECIPE, probe_inputs
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, latent_field, seed_field, source_field

CLASSES = [str(number) for number in range(100)]
SIGNATURES = {
    "seed and label": Signature(inputs=(seed_field(), label_field(CLASSES)), output=image_output(4, 4, 1)),
    "latent": Signature(inputs=(latent_field(8),), output=image_output(4, 4, 1)),
    "picture": Signature(inputs=(source_field(4, 4, 3),), output=image_output(4, 4, 3)),
}


def made(signature: Signature) -> Probes:
    banks = [
        Probes(
            inputs, np.zeros((len(next(iter(inputs.values()))), *signature.output.shape), np.uint8), name=name
        )
        for name, inputs in probe_inputs(signature).items()
    ]
    return replace(banks[0], others=tuple(banks[1:]))


def bundle_of(path: Path, signature: Signature, probes: Probes, recipe: str | None = RECIPE) -> Bundle:
    with create_bundle(path) as writer:
        writer.add("graph.onnx", b"a graph")
        writer.add(PROBES_NAME, probes.to_bytes())
        variant = Variant(
            name="generator.fp32.onnx",
            stage="generator",
            precision="fp32",
            runtime="onnxruntime",
            file="graph.onnx",
            batches=(1, 8, 64),
            verdict=Verdict(status="passed"),
        )
        writer.finish(
            name="tiny",
            family="gan",
            signature=signature,
            stages=(Stage(name="generator", signature=signature),),
            variants=(variant,),
            checkpoint_sha256="0" * 64,
            environment={} if recipe is None else {RECIPE_KEY: recipe},
        )
    return Bundle.load(path)


@pytest.mark.parametrize("kind", SIGNATURES)
def test_the_probes_of_today_cover(kind: str, tmp_path: Path) -> None:
    signature = SIGNATURES[kind]
    bundle = bundle_of(tmp_path / "bundle", signature, made(signature))
    assert len(covered_probes(bundle).images) == 64
    assert older_recipe(bundle.manifest) is None


def changed(field: str, change: Callable[[Any], Any]) -> Callable[[Probes], Probes]:
    return lambda probes: replace(probes, inputs={**probes.inputs, field: change(probes.inputs[field])})


HOLES: dict[str, tuple[str, Callable[[Probes], Probes], str]] = {
    "one probe": ("seed and label", lambda probes: probes.first(1), "has 1 usual probes"),
    "63 probes": ("seed and label", lambda probes: probes.first(63), "has 63 usual probes"),
    "no bank of seeds": (
        "seed and label",
        lambda probes: replace(probes, others=()),
        "no bank of probes 'seeds'",
    ),
    "half a bank": (
        "seed and label",
        lambda probes: replace(probes, others=tuple(bank.first(9) for bank in probes.others)),
        "has 9 of 64 probes",
    ),
    "other seeds": ("seed and label", changed("seed", lambda seeds: seeds[::-1]), "other values of 'seed'"),
    "another seed": (
        "seed and label",
        changed("seed", lambda seeds: seeds + (seeds == 3)),
        "other values of 'seed'",
    ),
    "one label for all": (
        "seed and label",
        changed("label", lambda labels: labels * 0),
        "other values of 'label'",
    ),
    "another field": (
        "seed and label",
        lambda probes: replace(
            probes, inputs={"seed": probes.inputs["seed"], "lable": probes.inputs["label"]}
        ),
        "other values of 'label'",
    ),
    "latents of zeros": (
        "latent",
        changed("latent", lambda latents: latents * 0),
        "other values of 'latent'",
    ),
    "grey pictures": (
        "picture",
        changed("source", lambda images: images * 0 + 127),
        "other values of 'source'",
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_in_the_coverage_is_named(hole: str, tmp_path: Path) -> None:
    kind, change, words = HOLES[hole]
    signature = SIGNATURES[kind]
    bundle = bundle_of(tmp_path / "bundle", signature, change(made(signature)))
    with pytest.raises(ProofError, match=words) as refused:
        covered_probes(bundle)
    assert "\n" not in str(refused.value)


def test_the_last_digit_of_a_draw_may_differ_between_processors(tmp_path: Path) -> None:
    for kind, field, change in (
        ("seed and label", "seed", lambda seeds: seeds + (seeds > 2**60)),
        ("latent", "latent", lambda latents: latents * np.float32(1 + 1e-6)),
        ("picture", "source", lambda images: np.where((images > 0) & (images < 255), images + 1, images)),
    ):
        signature = SIGNATURES[kind]
        probes = changed(field, change)(made(signature))
        covered_probes(bundle_of(tmp_path / kind, signature, probes))


@pytest.mark.parametrize(("recipe", "words"), [(None, "older rules"), ("3000", "other rules")])
def test_other_rules_are_named_and_only_the_count_is_checked(
    recipe: str | None, words: str, tmp_path: Path
) -> None:
    signature = SIGNATURES["seed and label"]
    probes = changed("seed", lambda seeds: seeds[::-1])(replace(made(signature), others=()))
    bundle = bundle_of(tmp_path / "bundle", signature, probes, recipe)
    assert words in str(older_recipe(bundle.manifest))
    assert len(covered_probes(bundle).images) == 64
    few = bundle_of(tmp_path / "few", signature, probes.first(63), recipe)
    with pytest.raises(ProofError, match="has 63 usual probes"):
        covered_probes(few)
