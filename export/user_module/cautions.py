"""What in a bundle of a user's own module suggests a mistake that no proof can find: the pictures are PyTorch's."""

from __future__ import annotations

import numpy as np

from ...bundle import Bundle

__all__ = ["cautions"]

_CUT_OFF = 0.99
"""Share of black and white values above which `range` is likely too narrow."""


def cautions(bundle: Bundle, *, own_weights: bool) -> list[str]:
    """Lines to show after an export.

    Args:
        bundle: that was made from the module.
        own_weights: whether a file of weights was loaded into the module.
    """
    lines = []
    if not own_weights:
        lines.append(
            f"no --weights: the graphs have the weights that {bundle.manifest.family} gave; if it loads none, they"
            " are random"
        )
    images = bundle.probes().images
    share = float(np.isin(images, (0, 255)).mean())
    if share >= _CUT_OFF:
        lines.append(
            f"{share:.1%} of the values in the probes' pictures are black or white; if they should not be, correct"
            " 'range' of the output: floats beyond it are cut off"
        )
    elif images.min() >= 127:
        lines.append(
            f"no value in the probes' pictures is below {images.min()} of 255; if the module's black is 0, say so:"
            " 'range: [0, 1]' of the output"
        )
    return lines
