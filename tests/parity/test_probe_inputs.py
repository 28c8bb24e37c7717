"""The inputs of the probes follow from the signature, and a change of the rules gets a new number."""

import hashlib

import numpy as np

from litho.bundle.probes import EXTREMES, USUAL
from litho.parity.probe_inputs import PROBE_COUNT, RECIPE, probe_inputs
from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    image_output,
    label_field,
    seed_field,
    source_field,
    truncation_field,
)

STEPS = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=8)
TEXT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")
CLASSES = [str(number) for number in range(1000)]
SIGNATURES = (
    Signature(
        inputs=(seed_field(), label_field(CLASSES), truncation_field()),
        output=image_output(8, 8, 3),
    ),
    Signature(inputs=(seed_field(), TEXT, STEPS), output=image_output(8, 8, 3)),
)
PINNED = {"2": "f09f88c36628cac801abdefc062c47c6e23672c5b1dfa7393bc9601a7195a938"}
"""Number of the rules -> hash of the integers and texts that they give."""


def test_a_change_of_the_rules_gets_a_new_number() -> None:
    digest = hashlib.sha256()
    for signature in SIGNATURES:
        for name, inputs in probe_inputs(signature).items():
            for field, values in inputs.items():
                if values.dtype == object or values.max() < 2**31:
                    digest.update(f"{name} {field} {values.tolist()}".encode())
    assert digest.hexdigest() == PINNED[RECIPE], (
        "raise RECIPE: bundles made by other rules must be recognised"
    )


def test_the_same_signature_gives_the_same_inputs() -> None:
    for signature in SIGNATURES:
        first, second = probe_inputs(signature), probe_inputs(signature)
        assert first.keys() == second.keys()
        for name in first:
            for field, values in first[name].items():
                assert np.array_equal(values, second[name][field])


def test_every_bank_is_there() -> None:
    banks = probe_inputs(SIGNATURES[0])
    assert list(banks) == [USUAL, "seeds", "labels", EXTREMES]
    assert len(banks[USUAL]["seed"]) == PROBE_COUNT
    assert {*banks[USUAL]["label"], *banks["labels"]["label"]} == set(range(1000))
    free = Signature(inputs=(source_field(16, 16, 3),), output=image_output(16, 16, 3)).with_free_size(
        8, 64, 8
    )
    assert [name for name in probe_inputs(free) if name.startswith("size")] == [
        "size 8x8",
        "size 16x32",
        "size 64x8",
    ]
