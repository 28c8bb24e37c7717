"""Whether the probes of a bundle cover what they should: their inputs follow from the signature, whoever made them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..bundle.manifest import Manifest
from ..bundle.probes import Probes
from ..errors import ProofError
from .probe_inputs import PROBE_COUNT, RECIPE, Inputs, probe_inputs

__all__ = ["RECIPE_KEY", "covered_probes", "older_recipe"]

RECIPE_KEY = "probes"
"""Key of the manifest's environment with the number of the rules by which the probes were made."""

_NEAR_INTEGER = 1e-9
_NEAR_FLOAT = 1e-5
"""Relative differences that are none: the last digits of powers and draws are not the same on every processor."""


def covered_probes(bundle: Bundle) -> Probes:
    """The probes of a bundle, whose inputs are those that its signature asks for.

    Of a bundle by older rules only the number of probes is checked; `older_recipe` says so.

    Raises:
        ProofError: a bank, a field or probes are missing, or are others.
        BundleError: there are no probes, or their file cannot be read.
    """
    probes = bundle.probes()
    if len(probes.images) < PROBE_COUNT:
        raise ProofError(
            f"the bundle has {len(probes.images)} usual probes, every litho makes {PROBE_COUNT}: it was changed;"
            " export it again"
        )
    if older_recipe(bundle.manifest) is None:
        given = {bank.name: bank for bank in (probes, *probes.others)}
        for name, wanted in probe_inputs(bundle.manifest.signature).items():
            if name not in given:
                raise ProofError(
                    f"the bundle has no bank of probes {name!r}: it was changed; export it again"
                )
            _refuse_others(given[name], wanted)
    return probes


def older_recipe(manifest: Manifest) -> str | None:
    """What to say of a bundle whose probes were made by other rules than today's; None if they were not."""
    recorded = manifest.environment.get(RECIPE_KEY)
    if recorded == RECIPE:
        return None
    return (
        f"the probes of {manifest.name} were made by {'older' if recorded is None else 'other'} rules, so that their"
        " coverage cannot be checked; export it again"
    )


def _refuse_others(bank: Probes, wanted: Inputs) -> None:
    count = len(next(iter(wanted.values())))
    if len(bank.images) != count:
        raise ProofError(
            f"bank {bank.name!r} has {len(bank.images)} of {count} probes: the bundle was changed; export it again"
        )
    for field, values in wanted.items():
        if field not in bank.inputs or not _same(bank.inputs[field], values):
            raise ProofError(
                f"bank {bank.name!r} has other values of {field!r} than its signature asks for: the bundle was"
                " changed; export it again"
            )


def _same(given: NDArray[Any], wanted: NDArray[Any]) -> bool:
    if (given.shape, given.dtype) != (wanted.shape, wanted.dtype):
        return False
    if wanted.dtype == np.int64:
        return bool((np.abs(given - wanted) <= np.abs(wanted) * _NEAR_INTEGER).all())
    if wanted.dtype == np.uint8:  # drawn by floating-point arithmetic, then rounded
        return bool((np.abs(given.astype(np.int16) - wanted) <= 1).all())
    if wanted.dtype == np.float32:
        return bool(np.allclose(given, wanted, rtol=_NEAR_FLOAT, atol=_NEAR_FLOAT))
    return bool((given == wanted).all())
